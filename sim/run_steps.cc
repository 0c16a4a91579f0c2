#include "sim/run_steps.h"

#include <algorithm>

namespace ebb::sim {

void RunSteps::Begin(std::span<const float> pulled) {
  Pulled(pulled);
  std::ranges::fill(moment_, 0.0f);
}

void RunSteps::Pulled(std::span<const float> pulled) {
  std::ranges::copy(pulled, start_.begin());
  values_ = start_;
}

void RunSteps::Step(const LocalStep& /*step*/,
                    std::span<const float> gradient_sum) {
  for (size_t i = 0; i < values_.size(); ++i) {
    moment_[i] = gradient_sum[i] + (rounds_ ? moment_[i] : 0);
    values_[i] += moment_[i];
  }
}

void RunSteps::Push(const LocalPush& push, std::span<float> out) {
  const float weight = rounds_ ? static_cast<float>(push.examples) : 1;
  for (size_t i = 0; i < values_.size(); ++i) {
    out[i] = weight * (values_[i] - start_[i]);
  }
}

}  // namespace ebb::sim
