// Tensors as they lie in a file of the format safetensors.
#ifndef EBB_COMMON_TENSOR_VIEW_H_
#define EBB_COMMON_TENSOR_VIEW_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

enum class TensorType { kFloat32, kUint64, kInt64, kUint8, kFloat64 };

// The names of a type in the formats.
struct TensorTypeNames {
  TensorType type;
  int64_t bytes;  // Bytes of an element.
  absl::string_view safetensors;
  absl::string_view npy;
};
const TensorTypeNames& NamesOf(TensorType type);
// All types that are read and written.
std::span<const TensorTypeNames> TensorTypes();

// One as it lies in a file's bytes, not aligned.
struct TensorView {
  std::string name;
  TensorType type = TensorType::kFloat32;
  std::vector<int64_t> dims;
  absl::string_view data;
};

struct TensorFileView {
  std::vector<TensorView> tensors;  // In the order of their data.
  std::map<std::string, std::string> metadata;
};

// The length of what describes the tensors stands before it.
inline constexpr size_t kTensorLengthBytes = 8;
// The limit of the format.
inline constexpr size_t kLargestTensorHeader = size_t{100} << 20;
// The header's key of the metadata.
inline constexpr char kTensorMetadata[] = "__metadata__";
// The names of tensors with the state of an optimizer begin with this.
inline constexpr char kSlotsPrefix[] = "slots/";
// The names of averages of the weights begin with this: "averages/TABLE".
inline constexpr char kAveragesPrefix[] = "averages/";

// Views of a safetensors file. DataLoss: it is not such a file, or damaged;
// InvalidArgument: it has a tensor of another type than these.
absl::StatusOr<TensorFileView> ViewSafetensors(absl::string_view bytes);

}  // namespace ebb

#endif  // EBB_COMMON_TENSOR_VIEW_H_
