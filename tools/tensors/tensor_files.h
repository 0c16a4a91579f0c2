// Files with tensors that other programs read: safetensors, and NumPy's .npy.
#ifndef EBB_TOOLS_TENSORS_TENSOR_FILES_H_
#define EBB_TOOLS_TENSORS_TENSOR_FILES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tensor_view.h"

namespace ebb::tools {

// float32, row after row.
struct Tensor {
  std::string name;
  std::vector<int64_t> dims;
  std::vector<float> values;
};

struct TensorFile {
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// One that need not be in memory: `write` writes its elements, little-endian,
// piece after piece. It may be called once.
struct TensorStream {
  std::string name;
  TensorType type = TensorType::kFloat32;
  std::vector<int64_t> dims;
  std::function<absl::Status(std::ostream& out)> write;
};
// A stream of memory that outlives it.
TensorStream StreamOf(const Tensor& tensor);

// Replaces the file at `path` at once. An error of a tensor's `write` leaves
// the old one. ResourceExhausted: names, shapes and metadata are longer than
// the format allows (100 MiB).
absl::Status WriteSafetensors(
    const std::string& path, const std::vector<TensorStream>& tensors,
    const std::map<std::string, std::string>& metadata);

// Format version 1.0, C order. Replaces the file at `path` at once.
absl::Status WriteNpy(const std::string& path, const TensorStream& tensor);

// Reads what numpy.save() writes; a view of the bytes, called `name`. DataLoss:
// it is not such a file, or damaged; InvalidArgument: its elements are of
// another type than these, or in the order of Fortran.
absl::StatusOr<TensorView> ViewNpy(const std::string& name,
                                   absl::string_view bytes);

// In memory, and of float32 only.
std::string EncodeSafetensors(const TensorFile& file);
absl::StatusOr<TensorFile> DecodeSafetensors(absl::string_view bytes);
std::string EncodeNpy(const Tensor& tensor);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TENSORS_TENSOR_FILES_H_
