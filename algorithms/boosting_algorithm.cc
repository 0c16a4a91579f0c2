// Boosting's rounds: workers add up what the model pushes, as in any round of
// one epoch, and the scheduler makes what closes it. The mathematics is in
// boosting/boosting.h.
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class Boosting final : public Algorithm {
 public:
  AlgorithmPlan Plan() const override { return {.operated = true}; }
};

}  // namespace

absl::Status RegisterBoosting(AlgorithmRegistry* registry) {
  return registry->Register(
      "boosting", "splits the open leaves of trees",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<Boosting>();
      });
}

}  // namespace ebb
