#include "common/filters/internal/sparse.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace ebb::internal {

namespace {

void Append(const void* from, size_t n, std::vector<std::byte>* out) {
  const auto* bytes = static_cast<const std::byte*>(from);
  out->insert(out->end(), bytes, bytes + n);
}

}  // namespace

void EncodeSparseBlock(std::span<const float> values,
                       std::vector<std::byte>* out) {
  uint16_t indices[kSparseBlock];
  float there[kSparseBlock];
  uint16_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) continue;
    indices[count] = static_cast<uint16_t>(i);
    there[count++] = values[i];
  }
  Append(&count, sizeof(count), out);
  Append(indices, count * sizeof(uint16_t), out);
  Append(there, count * sizeof(float), out);
}

bool SparseReader::Read(void* to, size_t n) {
  auto* out = static_cast<std::byte*>(to);
  while (n > 0) {
    if (done()) return false;
    const auto here = bytes_.slices()[slice_].bytes.subspan(offset_);
    const size_t part = std::min(n, here.size());
    std::memcpy(out, here.data(), part);
    out += part;
    n -= part;
    offset_ += part;
    if (part == here.size()) {
      ++slice_;
      offset_ = 0;
    }
  }
  return true;
}

absl::Status SparseReader::Next(std::span<float> values) {
  const auto ends = [] {
    return absl::InvalidArgumentError("sparse values end too early");
  };
  uint16_t count = 0;
  if (!Read(&count, sizeof(count))) return ends();
  if (count > values.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a sparse block of ", values.size(), " values has ", count));
  }
  if (!Read(indices_, count * sizeof(uint16_t)) ||
      !Read(there_, count * sizeof(float))) {
    return ends();
  }
  std::ranges::fill(values, 0.0f);
  int32_t last = -1;
  for (size_t i = 0; i < count; ++i) {
    const int32_t index = indices_[i];
    if (index <= last || index >= static_cast<int32_t>(values.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat("a sparse block of ", values.size(),
                       " values has index ", index, " after ", last));
    }
    values[index] = there_[i];
    last = index;
  }
  return absl::OkStatus();
}

}  // namespace ebb::internal
