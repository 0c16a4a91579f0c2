#include "tools/ebb/model/initial_tensors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "job/base/table_name.h"
#include "job/specification.h"
#include "tools/ebb/model/tensor_text.h"

namespace ebb::tools {

namespace {

template <typename T>
T As(absl::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// Sums and means of squares.
bool IsOfSquares(absl::string_view slot) {
  return slot == "squares" || slot == "mean_square" || slot == "second_moment";
}

}  // namespace

const TensorView* TakeTensor(const std::string& name, InitialTensors* tensors) {
  auto it = tensors->find(name);
  if (it == tensors->end()) it = tensors->find(job::UserTableName(name));
  if (it == tensors->end()) return nullptr;
  const TensorView* const tensor = it->second;
  tensors->erase(it);
  return tensor;
}

std::optional<int64_t> FirstFloat(absl::string_view bytes,
                                  absl::FunctionRef<bool(float)> wrong) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    if (wrong(value)) return static_cast<int64_t>(at / sizeof(value));
  }
  return std::nullopt;
}

std::optional<int64_t> FirstNotFinite(absl::string_view bytes) {
  return FirstFloat(bytes, [](float value) { return !std::isfinite(value); });
}

std::string MisfitOf(const TensorView& tensor, const std::vector<int64_t>& dims,
                     absl::string_view what) {
  if (tensor.dims != dims) {
    return absl::StrCat("tensor ", tensor.name, " has the shape ",
                        ShapeText(tensor.dims), ", ", what, " ",
                        ShapeText(dims));
  }
  if (tensor.type != TensorType::kFloat32) {
    return absl::StrCat("tensor ", tensor.name, " is not of float32");
  }
  const auto place = FirstNotFinite(tensor.data);
  if (!place) return "";
  return absl::StrCat("tensor ", tensor.name,
                      " has a value that is not "
                      "finite, at place ",
                      *place);
}

std::string MisfitOfSlot(const TensorView& tensor, absl::string_view slot) {
  if (!IsOfSquares(slot)) return "";
  const auto place =
      FirstFloat(tensor.data, [](float value) { return value < 0; });
  if (!place) return "";
  return absl::StrCat("tensor ", tensor.name, " has a value below 0, at place ",
                      *place, ", and is of squares");
}

std::vector<std::string> KindsLike(const std::string& kind) {
  static constexpr std::array<std::pair<const char*, const char*>, 2> kPairs = {
      {{"adam", "adamw"}, {"momentum", "nesterov"}}};
  for (const auto& [one, other] : kPairs) {
    if (kind == one) return {one, other};
    if (kind == other) return {other, one};
  }
  return {kind};
}

bool CountsSteps(const std::string& kind) {
  return kind == "adam" || kind == "adamw";
}

std::optional<int64_t> StepsIn(const TensorView& tensor) {
  constexpr auto kMost = static_cast<double>(job::kMostInitialSteps);
  const auto is_one = [](int64_t dim) { return dim == 1; };
  if (!std::ranges::all_of(tensor.dims, is_one)) return std::nullopt;
  double steps = -1;
  switch (tensor.type) {
    case TensorType::kFloat32:
      steps = As<float>(tensor.data);
      break;
    case TensorType::kFloat64:
      steps = As<double>(tensor.data);
      break;
    case TensorType::kInt64:
      steps = static_cast<double>(As<int64_t>(tensor.data));
      break;
    case TensorType::kUint64:
      steps = static_cast<double>(As<uint64_t>(tensor.data));
      break;
    case TensorType::kUint8:
      break;
  }
  // Not so where it is not a number.
  if (!(steps >= 0 && steps <= kMost) || std::floor(steps) != steps) {
    return std::nullopt;
  }
  return static_cast<int64_t>(steps);
}

}  // namespace ebb::tools
