#include "server/rows/internal/row_stepper.h"

namespace ebb::server::internal {

void RowStepper::FillCopies(RowPush* push) const {
  for (RowPush::BlockCopy& copy : push->copies) {
    const std::span<std::byte> to = copy.to.mutable_bytes();
    if (copy.from == nullptr) {
      // Stored or sent blocks must contain no bytes of the block's last holder.
      std::memset(to.data(), 0, to.size());
    } else {
      std::memcpy(to.data(), copy.from, to.size());
    }
  }
  push->next_rows = std::make_unique_for_overwrite<std::byte[]>(
      push->rows.size() * layout_.record_bytes());
}

void RowStepper::Begin(RowPush* push, std::span<const float> words,
                       int slots) const {
  FillCopies(push);
  const size_t width = layout_.width();
  std::byte* record = push->next_rows.get();
  for (const RowPush::Row& row : push->rows) {
    RowLayout::SetHead(row.key, push->unit, record);
    const std::span<float> weights(RowLayout::WeightsOf(record), width);
    std::ranges::copy(words.first(width), weights.begin());
    words = words.subspan(width);
    for (int s = 0; s < layout_.slots(); ++s) {
      const std::span<float> slot(layout_.SlotOf(s, record), width);
      if (slots == 0) {
        optimizer_->InitializeSlot(s, weights, slot);
        continue;
      }
      std::ranges::copy(words.first(width), slot.begin());
      words = words.subspan(width);
    }
    record += layout_.record_bytes();
  }
}

template <typename GradientOf>
void RowStepper::ComputeBeside(RowPush* push, const StepContext& context,
                               GradientOf gradient_of) const {
  FillCopies(push);
  std::byte* next = push->next_rows.get();
  ComputeRows(push, context, gradient_of, [&](const RowPush::Row&) {
    return std::exchange(next, next + layout_.record_bytes());
  });
}

void RowStepper::Compute(RowPush* push, GradientView gradient,
                         const StepContext& context) const {
  const size_t row_bytes = layout_.width() * sizeof(float);
  CHECK_EQ(gradient.size(), static_cast<size_t>(push->keys) * layout_.width());
  ComputeBeside(push, context, [&](uint32_t key_number) {
    return gradient.bytes() + key_number * row_bytes;
  });
}

void RowStepper::Compute(RowPush* push, GradientCursor& gradient,
                         const StepContext& context) const {
  const auto keys = static_cast<size_t>(push->keys);
  CHECK_GE(gradient.remaining(), keys * layout_.width());
  GradientRows rows(&gradient, keys, layout_.width());
  ComputeBeside(push, context,
                [&](uint32_t key_number) { return rows.Row(key_number); });
  rows.Finish();
}

}  // namespace ebb::server::internal
