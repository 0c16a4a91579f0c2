// Files with tensors that other programs read: safetensors, and NumPy's .npy.
#ifndef EBB_TOOLS_EBB_TENSOR_FILES_H_
#define EBB_TOOLS_EBB_TENSOR_FILES_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

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

// Replaces the file at `path` at once.
absl::Status WriteSafetensors(const std::string& path, const TensorFile& file);
// Only float32 is read. DataLoss: the file is no such file, or damaged.
absl::StatusOr<TensorFile> ReadSafetensors(const std::string& path);

// Format version 1.0, float32, C order.
absl::Status WriteNpy(const std::string& path, const Tensor& tensor);

// The bytes, for both.
std::string EncodeSafetensors(const TensorFile& file);
absl::StatusOr<TensorFile> DecodeSafetensors(absl::string_view bytes);
std::string EncodeNpy(const Tensor& tensor);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_TENSOR_FILES_H_
