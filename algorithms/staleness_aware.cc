// Staleness-aware SGD: Zhang, Gupta, Lian, Liu 2016, "Staleness-aware
// async-SGD for distributed deep learning": the rate is divided by the
// staleness. Here only what goes beyond a tolerated number of updates counts:
//
//   w' = w - r min(1, tolerated / (1 + staleness)) g
//
// with the step of the job's optimizer in place of r g. So with few workers it
// is plain SGD. With more, the updates under way at a time move the values
// together no further than the tolerated ones. docs/measured/job-defaults.md
// has what is tolerated by default, docs/decisions/0025-as-many-workers.md why.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "algorithms/builtin.h"

namespace ebb {

namespace {

class StalenessAware final : public Algorithm {
 public:
  explicit StalenessAware(double tolerated) : tolerated_(tolerated) {}

  double RateFactor(int64_t staleness) const override {
    return std::min(1.0, tolerated_ / (static_cast<double>(staleness) + 1.0));
  }

 private:
  const double tolerated_;
};

}  // namespace

absl::Status RegisterStalenessAware(AlgorithmRegistry* registry) {
  return registry->Register(
      "staleness_aware",
      "as sgd, with shorter steps for gradients that come too late",
      [](const AlgorithmConfig& config)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        if (!(config.tolerated >= 1)) {
          return absl::InvalidArgumentError(
              absl::StrCat("algorithm.tolerated: ", config.tolerated,
                           ", at least 1 needed"));
        }
        return std::make_unique<StalenessAware>(config.tolerated);
      });
}

}  // namespace ebb
