// Where one row of a table lies, before and after a step.
#ifndef EBB_SERVER_OPTIMIZER_ROW_STEP_H_
#define EBB_SERVER_OPTIMIZER_ROW_STEP_H_

#include <array>
#include <cstddef>

namespace ebb::server {

// Each pointer has as many floats behind it as the row is wide; borrows.
// Outputs may be inputs (the same pointer twice); nothing else overlaps. Slots
// that the optimizer does not have stay null.
struct RowStep {
  const float* weights_in = nullptr;
  const std::byte* gradient_sum = nullptr;  // Floats at any address.
  float* weights_out = nullptr;
  std::array<const float*, 2> slots_in = {};
  std::array<float*, 2> slots_out = {};
  // StepContext::late_factor of this row.
  float late_factor = 1;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_OPTIMIZER_ROW_STEP_H_
