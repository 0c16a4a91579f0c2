#include "common/filters/encoding.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/filters/internal/sparse.h"
#include "common/status_macros.h"

namespace ebb {

absl::string_view EncodingName(Encoding encoding) {
  switch (encoding) {
    case Encoding::kFloat32:
      return "float32";
    case Encoding::kBfloat16:
      return "bfloat16";
    case Encoding::kFloat16:
      return "float16";
    case Encoding::kInt8:
      return "int8";
    case Encoding::kSparse:
      return "sparse";
  }
  return "unknown";
}

int64_t EncodedBytes(Encoding encoding, int64_t floats) {
  switch (encoding) {
    case Encoding::kFloat32:
      return floats * 4;
    case Encoding::kBfloat16:
    case Encoding::kFloat16:
      return floats * 2;
    case Encoding::kInt8:
      return floats + (floats + kInt8Block - 1) / kInt8Block * 4;
    case Encoding::kSparse:
      return floats * 6 + (floats + kSparseBlock - 1) / kSparseBlock * 2;
  }
  return 0;
}

namespace {

absl::Status CheckSparse(const Payload& bytes, int64_t floats) {
  internal::SparseReader reader(bytes);
  float values[kSparseBlock];
  while (floats > 0) {
    const auto here = static_cast<size_t>(std::min(floats, kSparseBlock));
    EBB_RETURN_IF_ERROR(reader.Next(std::span(values, here)));
    floats -= static_cast<int64_t>(here);
  }
  if (reader.done()) return absl::OkStatus();
  return absl::InvalidArgumentError("more sparse values than there are");
}

}  // namespace

absl::Status CheckEncoded(Encoding encoding, const Payload& bytes,
                          int64_t floats) {
  if (encoding == Encoding::kSparse) return CheckSparse(bytes, floats);
  const int64_t expected = EncodedBytes(encoding, floats);
  if (bytes.size() == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(floats, " values as ", EncodingName(encoding), " have ",
                   expected, " bytes, not ", bytes.size()));
}

}  // namespace ebb
