#include "models/non_finite.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "common/status_macros.h"

namespace ebb::models {

float LargestFinite(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

bool AllFinite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

namespace {

// Asks the model for gradients of parts of the batch.
class Search {
 public:
  Search(std::span<const float> params, const BatchView& batch,
         std::span<float> grad, Model* model, absl::FunctionRef<bool()> stop)
      : params_(params),
        largest_(LargestFinite(params)),
        batch_(batch),
        grad_(grad),
        model_(model),
        stop_(stop) {}

  absl::StatusOr<NonFinite> Run() {
    if (!AllFinite(params_)) return Found(Fault::kValues);
    if (batch_.rows > 1) {
      EBB_ASSIGN_OR_RETURN(const bool first, IsFinite(params_, 0, 1));
      EBB_ASSIGN_OR_RETURN(const bool last,
                           IsFinite(params_, batch_.rows - 1, batch_.rows));
      if (!first && !last) return Blame(0, 1, Fault::kFirstAndLast);
    }
    // [begin, end) has no finite gradient.
    int64_t begin = 0, end = batch_.rows;
    while (end - begin > 1) {
      const int64_t middle = begin + (end - begin) / 2;
      EBB_ASSIGN_OR_RETURN(const bool left, IsFinite(params_, begin, middle));
      if (!left) {
        end = middle;
        continue;
      }
      EBB_ASSIGN_OR_RETURN(const bool right, IsFinite(params_, middle, end));
      if (right) return Blame(begin, end, Fault::kSum);
      begin = middle;
    }
    return Blame(begin, end, Fault::kExample);
  }

 private:
  NonFinite Found(Fault fault, int64_t row = 0) const {
    return {fault, row, largest_};
  }

  absl::StatusOr<bool> IsFinite(std::span<const float> params, int64_t begin,
                                int64_t end) {
    if (stop_()) return absl::CancelledError("told to stop");
    BatchStats stats;
    BatchView part = PartOf(batch_, begin, end, &offsets_);
    // Models keep what follows from examples and their own values.
    if (params.data() != params_.data()) part.training_numbers = {};
    const absl::Status status = model_->Gradient(params, part, grad_, &stats);
    if (!status.ok() && !absl::IsOutOfRange(status)) return status;
    return status.ok();
  }

  // Ordinary examples have no finite gradient either where the parameters are
  // large enough. So they are to blame only where smaller ones do not help.
  absl::StatusOr<NonFinite> Blame(int64_t begin, int64_t end, Fault fault) {
    if (largest_ < kFarOffFrom) return Found(fault, begin);
    std::vector<float> usual(params_.begin(), params_.end());
    for (float& value : usual) value /= largest_;
    EBB_ASSIGN_OR_RETURN(const bool helps, IsFinite(usual, begin, end));
    return Found(helps ? Fault::kFarOff : fault, begin);
  }

  const std::span<const float> params_;
  const float largest_;
  const BatchView& batch_;
  const std::span<float> grad_;
  Model* const model_;  // Not owned.
  const absl::FunctionRef<bool()> stop_;
  std::vector<int64_t> offsets_;
};

}  // namespace

absl::StatusOr<NonFinite> FindNonFinite(std::span<const float> params,
                                        const BatchView& batch,
                                        std::span<float> grad, Model* model,
                                        absl::FunctionRef<bool()> stop) {
  return Search(params, batch, grad, model, stop).Run();
}

}  // namespace ebb::models
