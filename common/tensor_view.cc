#include "common/tensor_view.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr size_t kLargestDim = size_t{1} << 53;  // JSON has no larger integers.

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("no safetensors file: ", what));
}

// A whole number of at least 0 that is a place in `limit` bytes.
std::optional<int64_t> IndexOf(const Value& value, size_t limit) {
  const double number = value.number_value();
  if (value.kind_case() != Value::kNumberValue || number < 0 ||
      number > static_cast<double>(limit) || number != std::floor(number)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(number);
}

constexpr TensorTypeNames kTypes[] = {{TensorType::kFloat32, 4, "F32", "<f4"},
                                      {TensorType::kUint64, 8, "U64", "<u8"},
                                      {TensorType::kInt64, 8, "I64", "<i8"},
                                      {TensorType::kUint8, 1, "U8", "|u1"},
                                      {TensorType::kFloat64, 8, "F64", "<f8"}};

absl::StatusOr<TensorView> ViewTensor(const std::string& name,
                                      const Struct& header,
                                      absl::string_view data) {
  const auto& fields = header.fields();
  const auto dtype = fields.find("dtype");
  const auto shape = fields.find("shape");
  const auto offsets = fields.find("data_offsets");
  if (dtype == fields.end() || shape == fields.end() ||
      offsets == fields.end() ||
      offsets->second.list_value().values_size() != 2) {
    return Damaged(absl::StrCat("incomplete header of ", name));
  }
  TensorView tensor;
  tensor.name = name;
  const auto known =
      std::ranges::find(kTypes, absl::string_view(dtype->second.string_value()),
                        &TensorTypeNames::safetensors);
  if (known == std::end(kTypes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " has the type ", dtype->second.string_value(),
        "; F32, F64, U64, I64 and U8 are read"));
  }
  tensor.type = known->type;
  for (const Value& value : shape->second.list_value().values()) {
    const auto dim = IndexOf(value, kLargestDim);
    if (!dim) return Damaged(absl::StrCat("impossible shape of ", name));
    tensor.dims.push_back(*dim);
  }
  // If a tensor has no elements, its other dimensions may be any.
  int64_t elements = std::ranges::count(tensor.dims, 0) > 0 ? 0 : 1;
  for (const int64_t dim : tensor.dims) {
    if (elements > 0 && elements > static_cast<int64_t>(data.size()) / dim) {
      return Damaged(absl::StrCat("impossible shape of ", name));
    }
    elements *= dim;
  }
  const auto& range = offsets->second.list_value();
  const auto begin = IndexOf(range.values(0), data.size());
  const auto end = IndexOf(range.values(1), data.size());
  const int64_t bytes = elements * NamesOf(tensor.type).bytes;
  if (!begin || !end || *end - *begin != bytes) {
    return Damaged(absl::StrCat("impossible place of ", name));
  }
  tensor.data = data.substr(*begin, bytes);
  return tensor;
}

}  // namespace

std::span<const TensorTypeNames> TensorTypes() { return kTypes; }

const TensorTypeNames& NamesOf(TensorType type) {
  return *std::ranges::find(kTypes, type, &TensorTypeNames::type);
}

absl::StatusOr<TensorFileView> ViewSafetensors(absl::string_view bytes) {
  uint64_t length = 0;
  if (bytes.size() < kTensorLengthBytes) return Damaged("it is too short");
  std::memcpy(&length, bytes.data(), kTensorLengthBytes);
  bytes.remove_prefix(kTensorLengthBytes);
  if (length > bytes.size() || length > kLargestTensorHeader) {
    return Damaged("its header is longer than the file");
  }
  Struct header;
  if (!google::protobuf::util::JsonStringToMessage(
           std::string(bytes.substr(0, length)), &header)
           .ok()) {
    return Damaged("its header is no JSON object");
  }
  TensorFileView file;
  // The order of the file, which a map has lost; by name where two empty ones
  // are at one place.
  std::vector<std::pair<int64_t, TensorView>> tensors;
  for (const auto& [name, value] : header.fields()) {
    if (name == kTensorMetadata) {
      for (const auto& [key, text] : value.struct_value().fields()) {
        file.metadata[key] = text.string_value();
      }
      continue;
    }
    EBB_ASSIGN_OR_RETURN(
        TensorView tensor,
        ViewTensor(name, value.struct_value(), bytes.substr(length)));
    const auto& place = value.struct_value().fields().at("data_offsets");
    tensors.emplace_back(place.list_value().values(0).number_value(),
                         std::move(tensor));
  }
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(a.first, a.second.data.size(),
                           absl::string_view(a.second.name)) <
           std::make_tuple(b.first, b.second.data.size(),
                           absl::string_view(b.second.name));
  });
  for (auto& [place, tensor] : tensors) {
    file.tensors.push_back(std::move(tensor));
  }
  return file;
}

}  // namespace ebb
