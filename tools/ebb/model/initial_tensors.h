// The tensors of a file of initial values, and what is wrong with them.
#ifndef EBB_TOOLS_EBB_MODEL_INITIAL_TENSORS_H_
#define EBB_TOOLS_EBB_MODEL_INITIAL_TENSORS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/tensor_view.h"

namespace ebb::tools {

// By name. Readers take out what they know.
using InitialTensors = std::map<absl::string_view, const TensorView*>;

// Takes a tensor out, which may have the name that a person gives to it
// (job/base/table_name.h). Null: there is none.
const TensorView* TakeTensor(const std::string& name, InitialTensors* tensors);

// The place of the first float of which `wrong` says so; absent: there is none.
std::optional<int64_t> FirstFloat(absl::string_view bytes,
                                  absl::FunctionRef<bool(float)> wrong);

std::optional<int64_t> FirstNotFinite(absl::string_view bytes);

// Why the tensor cannot be finite values of this shape, which `what` has ("the
// table of the job"); empty: it can.
std::string MisfitOf(const TensorView& tensor, const std::vector<int64_t>& dims,
                     absl::string_view what);
// Why the values, which fit otherwise, cannot be those of a slot; empty: they
// can.
std::string MisfitOfSlot(const TensorView& tensor, absl::string_view slot);

// The optimizers whose slots mean the same as those of this one, itself first.
std::vector<std::string> KindsLike(const std::string& kind);
// Its step depends on how many there were before.
bool CountsSteps(const std::string& kind);
// Absent: the tensor is not one whole number of steps, from 0 to 2^53.
std::optional<int64_t> StepsIn(const TensorView& tensor);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_INITIAL_TENSORS_H_
