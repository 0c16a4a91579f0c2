// Staleness-aware SGD: Zhang, Gupta, Lian, Liu 2016, "Staleness-aware
// async-SGD for distributed deep learning": the rate is divided by the
// staleness. Here only what goes beyond that of eight workers counts:
//
//   w' = w - r min(1, 8 / (1 + staleness)) g
//
// with the step of the job's optimizer in place of r g. So up to eight workers
// it is plain SGD, which learns there what one worker does. With more, the
// updates under way at a time move the values together no further than those
// of eight. docs/job-defaults.md has the measurements behind the constant.
#include <algorithm>
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

constexpr double kPlainUpTo = 8;

class StalenessAware final : public Algorithm {
 public:
  double RateFactor(int64_t staleness) const override {
    return std::min(1.0, kPlainUpTo / (static_cast<double>(staleness) + 1.0));
  }
};

}  // namespace

absl::Status RegisterStalenessAware(AlgorithmRegistry* registry) {
  return registry->Register(
      "staleness_aware",
      "as sgd, with shorter steps for gradients that are late by more than 7 "
      "updates",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<StalenessAware>();
      });
}

}  // namespace ebb
