#include "data/formats/arrays/npy_array.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

constexpr absl::string_view kNpyMagic = "\x93NUMPY";

template <typename... Args>
absl::Status BadHeader(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// Reads the text of the header: a dictionary of three entries, with single
// quotes, as numpy.save() writes it.
class HeaderParser {
 public:
  explicit HeaderParser(absl::string_view text) : rest_(text) {}

  absl::StatusOr<NpyHeader> Parse() {
    EBB_RETURN_IF_ERROR(Expect('{'));
    while (!Take('}')) {
      EBB_ASSIGN_OR_RETURN(const std::string key, Text());
      EBB_RETURN_IF_ERROR(Expect(':'));
      EBB_RETURN_IF_ERROR(Value(key));
      if (!Take(',')) {
        EBB_RETURN_IF_ERROR(Expect('}'));
        break;
      }
    }
    Skip();
    if (!rest_.empty()) return Wrong();
    if (!type_ || !has_order_ || !shape_) {
      return BadHeader(
          "its header lacks one of descr, fortran_order and shape");
    }
    return NpyHeader{*type_, *shape_};
  }

 private:
  absl::Status Wrong() const {
    return BadHeader("its header is damaged at ", Excerpt(rest_),
                     "; save the array anew");
  }
  void Skip() { rest_ = absl::StripLeadingAsciiWhitespace(rest_); }
  bool Take(char sign) {
    Skip();
    if (rest_.empty() || rest_.front() != sign) return false;
    rest_.remove_prefix(1);
    return true;
  }
  absl::Status Expect(char sign) {
    return Take(sign) ? absl::OkStatus() : Wrong();
  }

  absl::StatusOr<std::string> Text() {
    EBB_RETURN_IF_ERROR(Expect('\''));
    const size_t end = rest_.find('\'');
    if (end == absl::string_view::npos) return Wrong();
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }

  absl::Status Value(absl::string_view key) {
    Skip();
    if (key == "descr") return Descr();
    if (key == "shape") return Shape();
    if (key != "fortran_order") {
      return BadHeader("its header has the unknown key ", Excerpt(key));
    }
    has_order_ = true;
    if (absl::ConsumePrefix(&rest_, "False")) return absl::OkStatus();
    if (!absl::ConsumePrefix(&rest_, "True")) return Wrong();
    return BadHeader(
        "is stored column by column (Fortran order), but examples are rows; "
        "save numpy.ascontiguousarray(X)");
  }

  absl::Status Descr() {
    if (absl::StartsWith(rest_, "[")) {
      return BadHeader(
          "has a structured dtype, but ebb reads plain numbers; save a plain "
          "array, as X[['a', 'b']] made by "
          "numpy.lib.recfunctions.structured_to_unstructured");
    }
    EBB_ASSIGN_OR_RETURN(const std::string descr, Text());
    const absl::string_view order = absl::string_view(descr).substr(0, 1);
    const absl::string_view name =
        absl::string_view(descr).substr(descr.empty() ? 0 : 1);
    constexpr std::array<absl::string_view, 11> kNames = {
        "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
    const bool known =
        std::find(kNames.begin(), kNames.end(), name) != kNames.end() &&
        (order == "<" || order == ">" || order == "|" || order == "=");
    if (!known) {
      return BadHeader("has dtype ", Excerpt(descr),
                       "; ebb reads float32, float64, whole numbers and "
                       "booleans: save X.astype(\"float32\")");
    }
    constexpr bool kLittle = std::endian::native == std::endian::little;
    type_ = {.kind = name[0],
             .bytes = name[1] - '0',
             .swapped = name[1] != '1' && order == (kLittle ? ">" : "<")};
    return absl::OkStatus();
  }

  absl::Status Shape() {
    EBB_RETURN_IF_ERROR(Expect('('));
    std::vector<int64_t> shape;
    while (!Take(')')) {
      Skip();
      size_t digits = 0;
      while (digits < rest_.size() && absl::ascii_isdigit(rest_[digits])) {
        ++digits;
      }
      int64_t size = 0;
      if (!absl::SimpleAtoi(rest_.substr(0, digits), &size)) return Wrong();
      rest_.remove_prefix(digits);
      shape.push_back(size);
      if (!Take(',')) {
        EBB_RETURN_IF_ERROR(Expect(')'));
        break;
      }
    }
    shape_ = std::move(shape);
    return absl::OkStatus();
  }

  absl::string_view rest_;
  std::optional<NpyType> type_;
  bool has_order_ = false;
  std::optional<std::vector<int64_t>> shape_;
};

template <typename Stored, typename Number>
void Convert(const char* from, bool swapped, std::span<Number> out) {
  for (Number& number : out) {
    std::array<char, sizeof(Stored)> bytes;
    std::memcpy(bytes.data(), from, bytes.size());
    if (swapped) std::reverse(bytes.begin(), bytes.end());
    number = static_cast<Number>(std::bit_cast<Stored>(bytes));
    from += bytes.size();
  }
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text) {
  return HeaderParser(text).Parse();
}

absl::StatusOr<NpyArray> NpyArray::Open(Input file) {
  const auto bad = [&](const auto&... args) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", args...));
  };
  const auto read = [&](std::span<char> out) -> absl::Status {
    EBB_ASSIGN_OR_RETURN(const size_t n, file.Read(out));
    if (n == out.size()) return absl::OkStatus();
    return bad("ends at byte ", file.offset(),
               ", within its header; was it copied whole?");
  };
  std::array<char, kNpyMagic.size() + 2> front;
  EBB_RETURN_IF_ERROR(read(front));
  const absl::string_view magic(front.data(), kNpyMagic.size());
  if (magic != kNpyMagic) {
    return bad("is not a .npy file, which begins with \\x93NUMPY, but with ",
               Excerpt(magic), "; numpy.save writes one");
  }
  const int version = front[kNpyMagic.size()];
  if (version < 1 || version > 3) {
    return bad("has version ", version,
               " of the .npy format; ebb knows versions 1 to 3");
  }
  std::array<char, 4> raw = {};
  EBB_RETURN_IF_ERROR(read(std::span(raw).first(version == 1 ? 2 : 4)));
  uint32_t length = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    length |= uint32_t{static_cast<uint8_t>(raw[i])} << (8 * i);
  }
  constexpr uint32_t kLongestHeader = 64 << 10;
  if (length > kLongestHeader) {
    return bad("has a header of ", length, " bytes; at most ", kLongestHeader,
               " are possible");
  }
  std::string text(length, '\0');
  EBB_RETURN_IF_ERROR(read(text));
  absl::StatusOr<NpyHeader> header = ParseNpyHeader(text);
  if (!header.ok()) return bad(header.status().message());
  if (header->shape.empty()) {
    return bad("has one number and no dimensions; one is needed at least");
  }
  int64_t width = 1;
  for (size_t i = 1; i < header->shape.size(); ++i) {
    const int64_t size = header->shape[i];
    const int64_t limit = kMaxExampleBytes / header->type.bytes;
    if (size < 1 || size > limit / width) {
      return bad("has shape (", absl::StrJoin(header->shape, ", "),
                 "), but a row has between 1 and ", limit, " numbers");
    }
    width *= size;
  }
  return NpyArray(std::move(file), *std::move(header), width);
}

std::string NpyArray::ShapeText() const {
  return absl::StrCat("(", absl::StrJoin(header_.shape, ", "),
                      header_.shape.size() == 1 ? ",)" : ")");
}

absl::Status NpyArray::ReadRaw(size_t count) {
  raw_.resize(count * header_.type.bytes);
  EBB_ASSIGN_OR_RETURN(const size_t n, file_.Read(raw_));
  if (n == raw_.size()) return absl::OkStatus();
  return Bad("ends at byte ", file_.offset(), ", before the end of an array ",
             ShapeText(), " of ", header_.type.bytes,
             "-byte numbers; was it copied whole?");
}

template <typename Number>
absl::Status NpyArray::ReadNumbers(std::span<Number> out) {
  EBB_RETURN_IF_ERROR(ReadRaw(out.size()));
  const char* const from = raw_.data();
  const NpyType& type = header_.type;
  if (type.kind == 'f') {
    if (type.bytes == 4) Convert<float>(from, type.swapped, out);
    if (type.bytes == 8) Convert<double>(from, type.swapped, out);
  } else if (type.kind == 'i') {
    if (type.bytes == 1) Convert<int8_t>(from, type.swapped, out);
    if (type.bytes == 2) Convert<int16_t>(from, type.swapped, out);
    if (type.bytes == 4) Convert<int32_t>(from, type.swapped, out);
    if (type.bytes == 8) Convert<int64_t>(from, type.swapped, out);
  } else {
    if (type.bytes == 1) Convert<uint8_t>(from, type.swapped, out);
    if (type.bytes == 2) Convert<uint16_t>(from, type.swapped, out);
    if (type.bytes == 4) Convert<uint32_t>(from, type.swapped, out);
    if (type.bytes == 8) Convert<uint64_t>(from, type.swapped, out);
  }
  return absl::OkStatus();
}

absl::Status NpyArray::Read(std::span<double> out) { return ReadNumbers(out); }

absl::Status NpyArray::Read(std::span<int64_t> out) {
  if (!header_.type.is_whole()) {
    return Bad("has floats, but whole numbers are needed here");
  }
  return ReadNumbers(out);
}

absl::Status NpyArray::Read(std::span<uint8_t> out) {
  EBB_RETURN_IF_ERROR(ReadRaw(out.size()));
  std::copy(raw_.begin(), raw_.end(), out.begin());
  return absl::OkStatus();
}

absl::Status NpyArray::CheckEnd() {
  char extra;
  EBB_ASSIGN_OR_RETURN(const size_t n, file_.Read({&extra, 1}));
  if (n == 0) return absl::OkStatus();
  return Bad("goes on at byte ", file_.offset() - 1,
             ", after the array of shape ", ShapeText(),
             " that its header promises");
}

}  // namespace ebb::data::internal
