// Lloyd's rounds: workers add up what the model pushes, as in any round of one
// epoch, and the scheduler makes what closes it. The mathematics is in
// lloyd/lloyd.h.
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class Lloyd final : public Algorithm {
 public:
  AlgorithmPlan Plan() const override { return {.operated = true}; }
};

}  // namespace

absl::Status RegisterLloyd(AlgorithmRegistry* registry) {
  return registry->Register(
      "lloyd", "moves each centroid to the mean of its examples",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<Lloyd>();
      });
}

}  // namespace ebb
