// The algorithm of jobs whose rounds of one epoch are closed by operations
// (round_rule.h).
#ifndef EBB_ALGORITHMS_OPERATED_H_
#define EBB_ALGORITHMS_OPERATED_H_

#include <memory>

#include "algorithms/algorithm.h"

namespace ebb {

// Workers push the sums that the model makes of a round's examples, and the
// servers keep to the operation that the scheduler makes of them.
std::unique_ptr<const Algorithm> MakeOperated();

}  // namespace ebb

#endif  // EBB_ALGORITHMS_OPERATED_H_
