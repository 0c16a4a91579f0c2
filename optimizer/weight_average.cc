#include "optimizer/weight_average.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "optimizer/internal/kernels.h"

namespace ebb {

namespace {

// A row is stepped in pieces: what a step wrote is still in the nearest cache
// when it is averaged.
constexpr size_t kPieceFloats = 1024;

class Averaging final : public Optimizer {
 public:
  Averaging(std::unique_ptr<Optimizer> inner, const AverageRule& rule)
      : inner_(std::move(inner)), rule_(rule), slot_(inner_->SlotCount()) {
    CHECK_LT(slot_, kMaxSlots);
    const auto names = inner_->SlotNames();
    names_.assign(names.begin(), names.end());
    names_.push_back("average");
  }

  std::span<const absl::string_view> SlotNames() const override {
    return names_;
  }
  void InitializeSlot(int slot, std::span<const float> weights,
                      std::span<float> out) const override {
    if (slot < slot_) return inner_->InitializeSlot(slot, weights, out);
    std::ranges::copy(weights, out.begin());
  }

 private:
  void StepRange(const StepContext& context,
                 const internal::KernelRange& range) const override {
    const double share = ShareOf(context.step);
    const auto moved = static_cast<float>(share);
    for (const RowStep& row : range.rows) {
      for (size_t begin = 0; begin < range.width; begin += kPieceFloats) {
        const size_t count = std::min(kPieceFloats, range.width - begin);
        const RowStep part = PartOf(row, begin);
        inner_->StepRows(context, count, {&part, 1});
        if (share == 1) {  // The formula would round.
          std::copy_n(part.weights_out, count, part.slots_out[slot_]);
          continue;
        }
        const RowStep average = {
            .weights_in = part.slots_in[slot_],
            .gradient_sum =
                reinterpret_cast<const std::byte*>(part.weights_out),
            .weights_out = part.slots_out[slot_]};
        internal::AverageKernel({.width = count, .rows = {&average, 1}}, 1,
                                moved);
      }
    }
  }

  double ShareOf(int64_t step) const {
    if (rule_.memory) return 1 - *rule_.memory;
    const int64_t averaged = step - rule_.start;
    return averaged <= 1 ? 1 : 1 / static_cast<double>(averaged);
  }

  const std::unique_ptr<Optimizer> inner_;
  const AverageRule rule_;
  const int slot_;  // The number of the average.
  std::vector<absl::string_view> names_;
};

}  // namespace

std::unique_ptr<Optimizer> WithWeightAverage(std::unique_ptr<Optimizer> inner,
                                             const AverageRule& rule) {
  return std::make_unique<Averaging>(std::move(inner), rule);
}

}  // namespace ebb
