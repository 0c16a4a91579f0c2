#include "tools/tensors/tensor_files.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
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

static_assert(std::endian::native == std::endian::little,
              "both formats are little-endian");

absl::string_view BytesOf(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(float)};
}

int64_t ElementBytes(TensorType type) { return NamesOf(type).bytes; }

int64_t ElementsOf(const TensorStream& tensor) {
  int64_t elements = 1;
  for (const int64_t dim : tensor.dims) elements *= dim;
  return elements;
}

// All that stands before the data of the tensors.
std::string SafetensorsHead(
    const std::vector<TensorStream>& tensors,
    const std::map<std::string, std::string>& metadata) {
  Json header = Json::Object();
  for (const auto& [key, value] : metadata)
    header[kTensorMetadata][key] = value;
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
  std::string out(kTensorLengthBytes, '\0');
  const uint64_t length = text.size();
  std::memcpy(out.data(), &length, kTensorLengthBytes);
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

// Returns what stands behind `'key': ` in the header, which is a Python
// dictionary; empty: the key is missing.
absl::string_view NpyField(absl::string_view header, absl::string_view key) {
  const std::string before = absl::StrCat("'", key, "':");
  const size_t at = header.find(before);
  if (at == absl::string_view::npos) return "";
  return absl::StripLeadingAsciiWhitespace(header.substr(at + before.size()));
}

constexpr int64_t kMostElements = int64_t{1} << 53;

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
        dim > kMostElements / std::max<int64_t>(elements, 1)) {
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
  if (head.size() - kTensorLengthBytes > kLargestTensorHeader) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path, ": what describes the tensors takes ", head.size() >> 20,
        " MiB, and a safetensors file has room for ",
        kLargestTensorHeader >> 20,
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
  const auto types = TensorTypes();
  const auto type = std::ranges::find_if(types, [&](const auto& one) {
    return absl::StartsWith(descr, absl::StrCat("'", one.npy, "'"));
  });
  if (type == types.end()) {
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
