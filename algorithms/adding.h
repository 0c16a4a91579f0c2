// The algorithm of workloads whose models compute changes of the values, which
// servers add.
#ifndef EBB_ALGORITHMS_ADDING_H_
#define EBB_ALGORITHMS_ADDING_H_

#include <memory>

#include "algorithms/algorithm.h"

namespace ebb {

// The model knows all that its push depends on from the values that it was
// computed from, so a push does the same whatever came before it.
std::unique_ptr<const Algorithm> MakeAdding();

}  // namespace ebb

#endif  // EBB_ALGORITHMS_ADDING_H_
