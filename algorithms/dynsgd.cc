// DynSGD: Jiang, Cui, Zhang, Yu 2017, "Heterogeneity-aware distributed
// parameter servers", section 5: an update counts less the staler it is. As in
// dist-keras (Hermans 2016) the step is divided by the updates between pull and
// push, this one included: d = staleness + 1, and
//
//   w' = w - r / d g
//
// with the step of the job's optimizer in place of r g: so with rules that do
// not mind how long gradients are (adam), the step shrinks, too.
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class DynSgd final : public Algorithm {
 public:
  double RateFactor(int64_t staleness) const override {
    return 1.0 / (static_cast<double>(staleness) + 1.0);
  }
};

}  // namespace

absl::Status RegisterDynSgd(AlgorithmRegistry* registry) {
  return registry->Register(
      "dynsgd", "late gradients make shorter steps",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<DynSgd>();
      });
}

}  // namespace ebb
