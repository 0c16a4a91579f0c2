#include "server/rows/internal/row_cut_format.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/protocol/sealed_fields.h"
#include "common/status_macros.h"

namespace ebb::server::internal {
namespace {

constexpr absl::string_view kMagic = "EBBT";
constexpr uint32_t kVersion = 1;

}  // namespace

int64_t RowCutPart::Bytes() const {
  int64_t bytes = 0;
  for (const Block& block : blocks) bytes += block.bytes;
  return bytes;
}

std::string EncodeRowCutHeader(const RowCutFields& fields) {
  return SealFields(kMagic, kVersion, fields);
}

absl::StatusOr<RowCutFields> DecodeRowCutHeader(absl::string_view table,
                                                absl::string_view header) {
  RowCutFields fields;
  EBB_RETURN_IF_ERROR(UnsealFields(
      kMagic, kVersion,
      absl::StrCat("table '", table, "': the header of its rows"), header,
      [&](FieldReader& read, uint32_t /*version*/) { read(fields); }));
  return fields;
}

uint64_t RowBlockChecksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

int64_t BaseBitmapBytes(int64_t capacity) { return (capacity + 63) / 64 * 8; }

int64_t BaseCounterBytes(int64_t counters) { return (counters + 3) / 4 * 4; }

int64_t DeltaBytes(const RowCutOutline& outline, const RowLayout& layout) {
  constexpr auto kNumber = static_cast<int64_t>(sizeof(uint32_t));
  return outline.records *
             (kNumber + static_cast<int64_t>(layout.record_bytes())) +
         (outline.removed + outline.counters) * kNumber;
}

BlockWriter::BlockWriter(std::span<BlockRef> blocks) {
  blocks_.reserve(blocks.size());
  for (BlockRef& block : blocks) {
    blocks_.push_back(block.mutable_bytes().data());
    block_bytes_ = block.size();
  }
}

void BlockWriter::Put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t within = at_ % block_bytes_;
    const size_t n = std::min(bytes.size(), block_bytes_ - within);
    std::memcpy(blocks_[at_ / block_bytes_] + within, bytes.data(), n);
    bytes = bytes.subspan(n);
    at_ += n;
  }
}

BlockReader::BlockReader(std::vector<std::span<const std::byte>> blocks)
    : blocks_(std::move(blocks)) {}

bool BlockReader::Get(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    if (rest_.empty()) {
      if (next_ == blocks_.size()) return false;
      rest_ = blocks_[next_++];
      continue;
    }
    const size_t n = std::min(bytes.size(), rest_.size());
    std::memcpy(bytes.data(), rest_.data(), n);
    bytes = bytes.subspan(n);
    rest_ = rest_.subspan(n);
  }
  return true;
}

}  // namespace ebb::server::internal
