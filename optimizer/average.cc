#include "optimizer/average.h"

#include <cmath>

#include "common/plant.h"
#include "optimizer/internal/kernels.h"

namespace ebb {

namespace {

class Average final : public Optimizer {
 public:
  explicit Average(double share) : log_rest_(std::log1p(-share)) {}
  std::span<const absl::string_view> SlotNames() const override { return {}; }

 private:
  void StepRange(const StepContext& context,
                 const internal::KernelRange& range) const override {
    auto batches = static_cast<double>(context.batches);
    if (EBB_PLANTED(statistics_of_a_run_count_once)) batches = 1;
    double share = -std::expm1(log_rest_ * batches);
    if (EBB_PLANTED(statistics_shortened_as_late)) {
      share /= static_cast<double>(context.staleness + 1);
    }
    double scale = 1 / static_cast<double>(context.examples);
    if (EBB_PLANTED(statistics_divided_by_the_batch)) {
      scale = context.gradient_scale;
    }
    internal::AverageKernel(range, static_cast<float>(scale),
                            static_cast<float>(share));
  }

  const double log_rest_;  // log(1 - share); -infinity for a share of 1.
};

}  // namespace

std::unique_ptr<Optimizer> MakeAverageRule(double share) {
  return std::make_unique<Average>(share);
}

}  // namespace ebb
