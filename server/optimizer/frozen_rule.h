// The update rule of rows that are frozen.
#ifndef EBB_SERVER_OPTIMIZER_FROZEN_RULE_H_
#define EBB_SERVER_OPTIMIZER_FROZEN_RULE_H_

#include <memory>

#include "server/optimizer/optimizer.h"

namespace ebb::server {

// w' = w, whatever is pushed, without slots. Workers leave frozen rows out of
// pushes; a worker that does not changes no bit of them.
std::unique_ptr<Optimizer> MakeFrozenRule();

}  // namespace ebb::server

#endif  // EBB_SERVER_OPTIMIZER_FROZEN_RULE_H_
