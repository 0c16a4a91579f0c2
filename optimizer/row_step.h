// The place of one row of a table, before and after a step.
#ifndef EBB_OPTIMIZER_ROW_STEP_H_
#define EBB_OPTIMIZER_ROW_STEP_H_

#include <array>
#include <cstddef>

namespace ebb {

// Moments of adam, and an average of the weights.
inline constexpr int kMaxRowSlots = 3;

// Each pointer has as many floats behind it as the row is wide; borrows.
// Outputs may be inputs (the same pointer twice); nothing else overlaps. Slots
// that the optimizer does not have stay null.
struct RowStep {
  const float* weights_in = nullptr;
  const std::byte* gradient_sum = nullptr;  // Floats at any address.
  float* weights_out = nullptr;
  std::array<const float*, kMaxRowSlots> slots_in = {};
  std::array<float*, kMaxRowSlots> slots_out = {};
  // StepContext::late_factor of this row.
  float late_factor = 1;
};

// Returns the rest of a row, without its first `begin` floats.
inline RowStep PartOf(const RowStep& row, size_t begin) {
  RowStep part = row;
  part.weights_in += begin;
  part.gradient_sum += begin * sizeof(float);
  part.weights_out += begin;
  for (const float*& slot : part.slots_in) {
    if (slot != nullptr) slot += begin;
  }
  for (float*& slot : part.slots_out) {
    if (slot != nullptr) slot += begin;
  }
  return part;
}

}  // namespace ebb

#endif  // EBB_OPTIMIZER_ROW_STEP_H_
