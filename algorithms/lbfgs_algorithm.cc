// Sandblaster L-BFGS (Dean et al. 2012, section 4.2): workers do what they do
// in any round of one epoch, and what closes it is made by the scheduler. The
// mathematics is in lbfgs.h.
#include "algorithms/builtin.h"
#include "algorithms/operated.h"

namespace ebb {

absl::Status RegisterLbfgs(AlgorithmRegistry* registry) {
  return registry->Register(
      "lbfgs", "searches along directions that follow the curvature",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return MakeOperated();
      });
}

}  // namespace ebb
