// The update rule of rows that are frozen.
#ifndef EBB_OPTIMIZER_FROZEN_RULE_H_
#define EBB_OPTIMIZER_FROZEN_RULE_H_

#include <memory>

#include "optimizer/optimizer.h"

namespace ebb {

// w' = w, whatever is pushed, without slots. Workers leave frozen rows out of
// pushes; a worker that does not changes no bit of them.
std::unique_ptr<Optimizer> MakeFrozenRule();

}  // namespace ebb

#endif  // EBB_OPTIMIZER_FROZEN_RULE_H_
