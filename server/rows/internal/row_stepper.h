// Computes the rows of a push.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_STEPPER_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_STEPPER_H_

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/initializer.h"
#include "optimizer/gradient.h"
#include "optimizer/optimizer.h"
#include "server/rows/internal/gradient_rows.h"
#include "server/rows/internal/row_push.h"
#include "server/rows/row_layout.h"
#include "server/rows/row_options.h"

namespace ebb::server::internal {

// Makes new rows for a push: initial values where there is no row, and the
// optimizer's step. Immutable, so thread-safe: it needs no lock of the table.
class RowStepper {
 public:
  RowStepper(const RowTableOptions& options, const RowLayout& layout,
             std::shared_ptr<const Optimizer> optimizer)
      : layout_(layout),
        optimizer_(std::move(optimizer)),
        initial_(options.init, options.seed, options.table),
        rate_factor_(options.rate_factor) {
    if (rate_factor_ == nullptr) return;
    for (size_t s = 0; s < kUsualStaleness; ++s) {
      usual_factors_.push_back(
          static_cast<float>(rate_factor_(static_cast<int64_t>(s))));
    }
  }

  const RowInitializer& initial() const { return initial_; }

  // The rows of a push that makes all of them, from words that are there: of
  // each row its weights and then `slots` slots (0, or all that there are).
  void Begin(RowPush* push, std::span<const float> words, int slots) const;
  // Into memory of the push's own. `gradient`: keys x width floats (checked).
  void Compute(RowPush* push, GradientView gradient,
               const StepContext& context) const;
  // The next keys x width floats of it.
  void Compute(RowPush* push, GradientCursor& gradient,
               const StepContext& context) const;
  // The same, into the records that `next_of` says.
  template <typename NextOf>
  void ComputeInto(RowPush* push, GradientCursor& gradient,
                   const StepContext& context, NextOf next_of) const;

 private:
  // Fills the blocks of a push, and makes room for its rows.
  void FillCopies(RowPush* push) const;
  template <typename GradientOf>
  void ComputeBeside(RowPush* push, const StepContext& context,
                     GradientOf gradient_of) const;
  // Calls `gradient_of` once for each key of the push that gets a row or has
  // one that stays, ascending; and `next_of` once for each that gets one: where
  // its record is to be, which may be where it is.
  template <typename GradientOf, typename NextOf>
  void ComputeRows(RowPush* push, const StepContext& context,
                   GradientOf gradient_of, NextOf next_of) const;
  // Returns whether rows of a push may have other factors of the rate than 1.
  // If the partition's staleness does not change the rate, no row's does.
  bool Scales(const StepContext& context) const {
    return rate_factor_ != nullptr && context.staleness > 0 &&
           rate_factor_(context.staleness) != 1;
  }
  float RateFactorOf(const RowPush::Row& row, const RowPush& push,
                     const StepContext& context) const {
    if (row.record == nullptr) return 1;  // No update changed it: it is new.
    const int64_t staleness =
        row.frequency.Staleness(push.updates, context.staleness);
    if (staleness < static_cast<int64_t>(kUsualStaleness)) {
      return usual_factors_[static_cast<size_t>(staleness)];
    }
    return static_cast<float>(rate_factor_(staleness));
  }
  // Counts the next of `*kept` for keys before that number whose row differs
  // from the pushed one.
  template <typename GradientOf>
  void CompareKept(uint32_t before, size_t* kept, RowPush* push,
                   const GradientOf& gradient_of) const;

  const RowLayout layout_;
  const std::shared_ptr<const Optimizer> optimizer_;
  const RowInitializer initial_;
  const std::function<double(int64_t)> rate_factor_;  // Empty: always 1.
  // Its results that are wanted most.
  static constexpr size_t kUsualStaleness = 64;
  std::vector<float> usual_factors_;
};

// --- Implementation ----------------------------------------------------------

template <typename NextOf>
void RowStepper::ComputeInto(RowPush* push, GradientCursor& gradient,
                             const StepContext& context, NextOf next_of) const {
  const auto keys = static_cast<size_t>(push->keys);
  CHECK_GE(gradient.remaining(), keys * layout_.width());
  GradientRows rows(&gradient, keys, layout_.width());
  ComputeRows(
      push, context, [&](uint32_t key_number) { return rows.Row(key_number); },
      next_of);
  rows.Finish();
}

template <typename GradientOf, typename NextOf>
void RowStepper::ComputeRows(RowPush* push, const StepContext& context,
                             GradientOf gradient_of, NextOf next_of) const {
  size_t kept = 0;
  constexpr size_t kTogether = 32;
  std::array<RowStep, kTogether> steps;
  const size_t width = layout_.width();
  const int slots = layout_.slots();
  const size_t count = push->rows.size();
  const bool scales = Scales(context);
  push->rate_factors = static_cast<double>(scales ? 0 : count);
  for (size_t begin = 0; begin < count; begin += kTogether) {
    const size_t n = std::min(kTogether, count - begin);
    for (size_t i = 0; i < n; ++i) {
      const RowPush::Row& row = push->rows[begin + i];
      if (!push->kept.empty()) {
        CompareKept(row.key_number, &kept, push, gradient_of);
      }
      std::byte* const next = next_of(row);
      RowLayout::SetHead(row.key, push->unit, next);
      const std::byte* from = row.record;
      if (from == nullptr) {
        const std::span<float> weights(RowLayout::WeightsOf(next), width);
        initial_.Fill(row.key, weights);
        for (int s = 0; s < slots; ++s) {
          optimizer_->InitializeSlot(s, weights,
                                     {layout_.SlotOf(s, next), width});
        }
        from = next;
      }
      RowStep& step = steps[i];
      step.weights_in = RowLayout::WeightsOf(from);
      step.gradient_sum = gradient_of(row.key_number);
      step.weights_out = RowLayout::WeightsOf(next);
      for (int s = 0; s < slots; ++s) {
        step.slots_in[s] = layout_.SlotOf(s, from);
        step.slots_out[s] = layout_.SlotOf(s, next);
      }
      if (scales) {
        step.late_factor = RateFactorOf(row, *push, context);
        push->rate_factors += step.late_factor;
      }
    }
    optimizer_->StepRows(context, width, std::span(steps).first(n));
  }
  CompareKept(static_cast<uint32_t>(push->keys), &kept, push, gradient_of);
}

template <typename GradientOf>
void RowStepper::CompareKept(uint32_t before, size_t* kept, RowPush* push,
                             const GradientOf& gradient_of) const {
  for (; *kept < push->kept.size(); ++*kept) {
    const RowPush::Kept& row = push->kept[*kept];
    if (row.key_number >= before) return;
    if (std::memcmp(RowLayout::WeightsOf(row.record),
                    gradient_of(row.key_number),
                    layout_.width() * sizeof(float)) != 0) {
      ++push->not_admitted;
    }
  }
}

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_STEPPER_H_
