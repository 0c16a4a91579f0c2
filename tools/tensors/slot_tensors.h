// Names the tensors with the state of an optimizer in a file: those of a slot
// "slots/adam/first_moment/TABLE", and the steps that made it
// "slots/adam/step/TABLE", one number. Averages of the weights mean the same
// under every optimizer: "averages/TABLE".
#ifndef EBB_TOOLS_TENSORS_SLOT_TENSORS_H_
#define EBB_TOOLS_TENSORS_SLOT_TENSORS_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/tensor_view.h"

namespace ebb::tools {

inline constexpr char kStepSlot[] = "step";
// The slot that has averages of the weights
// (optimizer/weight_average.h).
inline constexpr char kAverageSlot[] = "average";

inline std::string SlotTensorName(absl::string_view optimizer,
                                  absl::string_view slot,
                                  absl::string_view table) {
  if (slot == kAverageSlot) return absl::StrCat(kAveragesPrefix, table);
  return absl::StrCat(kSlotsPrefix, optimizer, "/", slot, "/", table);
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TENSORS_SLOT_TENSORS_H_
