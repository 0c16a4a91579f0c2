#include "tools/tensors/tensor_files.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "tools/files/files.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

static_assert(std::endian::native == std::endian::little,
              "both formats are little-endian");

constexpr size_t kLengthBytes = 8;
constexpr size_t kLargestHeader = size_t{100} << 20;  // As the format says.
constexpr size_t kLargestDim = size_t{1} << 53;       // As JSON can say.
constexpr char kMetadata[] = "__metadata__";

absl::string_view BytesOf(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(float)};
}

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

// What the formats call them.
struct TypeNames {
  TensorType type;
  int64_t bytes;  // Bytes of an element.
  absl::string_view safetensors;
  absl::string_view npy;
};
constexpr TypeNames kTypes[] = {{TensorType::kFloat32, 4, "F32", "<f4"},
                                {TensorType::kUint64, 8, "U64", "<u8"},
                                {TensorType::kInt64, 8, "I64", "<i8"},
                                {TensorType::kUint8, 1, "U8", "|u1"},
                                {TensorType::kFloat64, 8, "F64", "<f8"}};

const TypeNames& NamesOf(TensorType type) {
  return *std::ranges::find(kTypes, type, &TypeNames::type);
}

int64_t ElementBytes(TensorType type) { return NamesOf(type).bytes; }

int64_t ElementsOf(const TensorStream& tensor) {
  int64_t elements = 1;
  for (const int64_t dim : tensor.dims) elements *= dim;
  return elements;
}

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
                        &TypeNames::safetensors);
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
  const int64_t bytes = elements * ElementBytes(tensor.type);
  if (!begin || !end || *end - *begin != bytes) {
    return Damaged(absl::StrCat("impossible place of ", name));
  }
  tensor.data = data.substr(*begin, bytes);
  return tensor;
}

// All that stands before the data of the tensors.
std::string SafetensorsHead(
    const std::vector<TensorStream>& tensors,
    const std::map<std::string, std::string>& metadata) {
  Json header = Json::Object();
  for (const auto& [key, value] : metadata) header[kMetadata][key] = value;
  int64_t offset = 0;
  for (const TensorStream& tensor : tensors) {
    Json& entry = header[tensor.name];
    entry["dtype"] = std::string(NamesOf(tensor.type).safetensors);
    entry["shape"] = Json::List();
    for (const int64_t dim : tensor.dims) entry["shape"].Add(dim);
    const int64_t bytes = ElementsOf(tensor) * ElementBytes(tensor.type);
    entry["data_offsets"].Add(offset);
    entry["data_offsets"].Add(offset + bytes);
    offset += bytes;
  }
  std::string text = header.ToLine();
  // The data begins at a multiple of 8.
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string out(kLengthBytes, '\0');
  const uint64_t length = text.size();
  std::memcpy(out.data(), &length, kLengthBytes);
  return out + text;
}

std::string NpyHead(const TensorStream& tensor) {
  std::string shape = absl::StrJoin(tensor.dims, ", ");
  if (tensor.dims.size() == 1) shape += ",";
  std::string header =
      absl::StrCat("{'descr': '", NamesOf(tensor.type).npy,
                   "', 'fortran_order': False, 'shape': (", shape, "), }");
  // Magic, version, length and header fill a multiple of 64 bytes.
  constexpr size_t kBefore = 10;
  const size_t whole = (kBefore + header.size() + 1 + 63) / 64 * 64;
  header.resize(whole - kBefore - 1, ' ');
  header.push_back('\n');
  std::string out("\x93NUMPY\x01\x00", 8);
  out.push_back(static_cast<char>(header.size() & 0xff));
  out.push_back(static_cast<char>(header.size() >> 8));
  return out + header;
}

absl::Status NotNpy(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("it is not an .npy file: ", what));
}

// What stands behind `'key': ` in the header, which is a Python dictionary;
// empty: the key is missing.
absl::string_view NpyField(absl::string_view header, absl::string_view key) {
  const std::string before = absl::StrCat("'", key, "':");
  const size_t at = header.find(before);
  if (at == absl::string_view::npos) return "";
  return absl::StripLeadingAsciiWhitespace(header.substr(at + before.size()));
}

// "(2, 3)" and what follows. Absent: it is not a shape, or one too large.
std::optional<std::vector<int64_t>> NpyShape(absl::string_view text) {
  const size_t end = text.find(')');
  if (!absl::ConsumePrefix(&text, "(") || end == absl::string_view::npos) {
    return std::nullopt;
  }
  std::vector<int64_t> dims;
  int64_t elements = 1;
  for (const absl::string_view part :
       absl::StrSplit(text.substr(0, end - 1), ',', absl::SkipWhitespace())) {
    int64_t dim = 0;
    if (!absl::SimpleAtoi(part, &dim) || dim < 0 ||
        dim > static_cast<int64_t>(kLargestDim) /
                  std::max<int64_t>(elements, 1)) {
      return std::nullopt;
    }
    dims.push_back(dim);
    elements *= dim;
  }
  return dims;
}

std::vector<TensorStream> StreamsOf(const TensorFile& file) {
  std::vector<TensorStream> streams;
  for (const Tensor& tensor : file.tensors) streams.push_back(StreamOf(tensor));
  return streams;
}

}  // namespace

TensorStream StreamOf(const Tensor& tensor) {
  return {tensor.name, TensorType::kFloat32, tensor.dims,
          [&tensor](std::ostream& out) {
            out << BytesOf(tensor.values);
            return absl::OkStatus();
          }};
}

absl::Status WriteSafetensors(
    const std::string& path, const std::vector<TensorStream>& tensors,
    const std::map<std::string, std::string>& metadata) {
  const std::string head = SafetensorsHead(tensors, metadata);
  if (head.size() - kLengthBytes > kLargestHeader) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path, ": what describes the tensors takes ", head.size() >> 20,
        " MiB, and a safetensors file has room for ", kLargestHeader >> 20,
        "; export to a folder instead, which gets a .npy for each tensor"));
  }
  return WriteFile(path, [&](std::ostream& out) -> absl::Status {
    out << head;
    for (const TensorStream& tensor : tensors) {
      EBB_RETURN_IF_ERROR(tensor.write(out));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<TensorFileView> ViewSafetensors(absl::string_view bytes) {
  uint64_t length = 0;
  if (bytes.size() < kLengthBytes) return Damaged("it is too short");
  std::memcpy(&length, bytes.data(), kLengthBytes);
  bytes.remove_prefix(kLengthBytes);
  if (length > bytes.size() || length > kLargestHeader) {
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
    if (name == kMetadata) {
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

std::string EncodeSafetensors(const TensorFile& file) {
  std::string out = SafetensorsHead(StreamsOf(file), file.metadata);
  for (const Tensor& tensor : file.tensors) {
    absl::StrAppend(&out, BytesOf(tensor.values));
  }
  return out;
}

absl::StatusOr<TensorFile> DecodeSafetensors(absl::string_view bytes) {
  EBB_ASSIGN_OR_RETURN(TensorFileView view, ViewSafetensors(bytes));
  TensorFile file;
  file.metadata = std::move(view.metadata);
  for (TensorView& tensor : view.tensors) {
    if (tensor.type != TensorType::kFloat32) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", tensor.name, " has no float32"));
    }
    Tensor& copy = file.tensors.emplace_back();
    copy.name = std::move(tensor.name);
    copy.dims = std::move(tensor.dims);
    copy.values.resize(tensor.data.size() / sizeof(float));
    if (!tensor.data.empty()) {  // Empty data has no address to copy to.
      std::memcpy(copy.values.data(), tensor.data.data(), tensor.data.size());
    }
  }
  return file;
}

std::string EncodeNpy(const Tensor& tensor) {
  return absl::StrCat(NpyHead(StreamOf(tensor)), BytesOf(tensor.values));
}

absl::Status WriteNpy(const std::string& path, const TensorStream& tensor) {
  return WriteFile(path, [&](std::ostream& out) {
    out << NpyHead(tensor);
    return tensor.write(out);
  });
}

absl::StatusOr<TensorView> ViewNpy(const std::string& name,
                                   absl::string_view bytes) {
  // Magic, two bytes of version, and the header's length in two bytes or four.
  if (!absl::ConsumePrefix(&bytes, "\x93NUMPY") || bytes.size() < 2) {
    return NotNpy("it does not begin like one");
  }
  const size_t length_bytes = bytes[0] == 1 ? 2 : 4;
  bytes.remove_prefix(2);
  if (bytes.size() < length_bytes) return NotNpy("it is too short");
  uint32_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  bytes.remove_prefix(length_bytes);
  if (length > bytes.size())
    return NotNpy("its header is longer than the file");
  const absl::string_view header = bytes.substr(0, length);
  bytes.remove_prefix(length);
  TensorView tensor;
  tensor.name = name;
  const auto dims = NpyShape(NpyField(header, "shape"));
  if (!dims) return NotNpy("its header names no shape");
  tensor.dims = *dims;
  if (!absl::StartsWith(NpyField(header, "fortran_order"), "False")) {
    return absl::InvalidArgumentError(
        "its elements are in the order of Fortran\nhint: "
        "numpy.ascontiguousarray(…) before numpy.save()");
  }
  const absl::string_view descr = NpyField(header, "descr");
  const auto* const type = std::ranges::find_if(kTypes, [&](const auto& one) {
    return absl::StartsWith(descr, absl::StrCat("'", one.npy, "'"));
  });
  if (type == std::end(kTypes)) {
    return absl::InvalidArgumentError(
        "its elements are of another type\nhint: save it as float32");
  }
  tensor.type = type->type;
  int64_t elements = 1;
  for (const int64_t dim : tensor.dims) elements *= dim;
  if (static_cast<int64_t>(bytes.size()) / type->bytes < elements) {
    return NotNpy("it has fewer elements than its header says");
  }
  tensor.data = bytes.substr(0, elements * type->bytes);
  return tensor;
}

}  // namespace ebb::tools
