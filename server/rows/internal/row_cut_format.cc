#include "server/rows/internal/row_cut_format.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"

namespace ebb::server::internal {
namespace {

constexpr absl::string_view kMagic = "EBBT";
constexpr uint32_t kVersion = 2;
constexpr auto kNumberBytes = static_cast<int64_t>(sizeof(uint32_t));

// A part in version 1: the first is a base, the others are what changed since.
struct FirstOutline {
  int64_t capacity = 0;
  int64_t records = 0;  // Blocks of rows in the base.
  int64_t removed = 0;
  int64_t counters = 0;
  std::vector<uint64_t> checksums;
};

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, FirstOutline>
void VisitFields(Struct& outline, Visitor&& visit) {
  auto& [capacity, records, removed, counters, checksums] = outline;
  visit(capacity, records, removed, counters, checksums);
}

void ReadFirst(const RowLayout& layout, FieldReader& read,
               RowCutFields* fields) {
  std::vector<FirstOutline> parts;
  read(parts);
  fields->goes_on = parts.size() <= 1;
  for (FirstOutline& part : parts) {
    RowCutOutline& outline = fields->parts.emplace_back();
    outline.capacity = part.capacity;
    outline.checksums = std::move(part.checksums);
    if (fields->parts.size() > 1) {
      outline.records = part.records;
      outline.removed = part.removed;
      outline.changed_counters = part.counters;
      continue;
    }
    if (part.capacity > 0 && part.capacity <= RowLayout::kMaxRows) {
      outline.end_block = static_cast<int64_t>(layout.BlocksOf(part.capacity));
    }
    outline.blocks = part.records;
    outline.end_counter = part.counters;
  }
}

}  // namespace

int64_t RowCutPart::Bytes() const {
  int64_t bytes = 0;
  for (const Block& block : blocks) bytes += block.bytes;
  return bytes;
}

std::string EncodeRowCutHeader(const RowCutFields& fields) {
  if (fields.parts.size() == 1) {
    const RowCutOutline& all = fields.parts.front();
    if (all.records + all.removed + all.changed_counters == 0) {
      const std::vector<FirstOutline> parts = {
          {all.capacity, all.blocks, 0, all.end_counter, all.checksums}};
      return SealFields(kMagic, 1, fields, parts);
    }
  }
  return SealFields(kMagic, kVersion, fields, fields.parts);
}

absl::StatusOr<RowCutFields> DecodeRowCutHeader(absl::string_view table,
                                                const RowLayout& layout,
                                                absl::string_view header) {
  RowCutFields fields;
  EBB_RETURN_IF_ERROR(
      UnsealFields(kMagic, kVersion,
                   absl::StrCat("table '", table, "': the header of its rows"),
                   header, [&](FieldReader& read, uint32_t version) {
                     read(fields);
                     if (version == 1) return ReadFirst(layout, read, &fields);
                     read(fields.parts);
                   }));
  return fields;
}

uint64_t RowBlockChecksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

int64_t ChangeBytes(const RowLayout& layout) {
  return kNumberBytes + static_cast<int64_t>(layout.record_bytes());
}

int64_t ChangesBytes(const RowCutOutline& outline, const RowLayout& layout) {
  return outline.records * ChangeBytes(layout) +
         (outline.removed + outline.changed_counters) * kNumberBytes;
}

std::pair<int64_t, int64_t> RowsOfRun(const RowCutOutline& outline,
                                      const RowLayout& layout) {
  const int64_t in_block = layout.rows_per_block();
  return {std::min(outline.first_block * in_block, outline.capacity),
          std::min(outline.end_block * in_block, outline.capacity)};
}

int64_t BitmapBytes(const RowCutOutline& outline, const RowLayout& layout) {
  const auto [first, end] = RowsOfRun(outline, layout);
  return (end - first + 63) / 64 * 8;
}

int64_t CounterBytes(const RowCutOutline& outline) {
  return (outline.end_counter - outline.first_counter + 3) / 4 * 4;
}

int64_t PackedBytes(const RowCutOutline& outline, const RowLayout& layout,
                    int64_t block_bytes) {
  return ChangesBytes(outline, layout) - outline.dropped * block_bytes +
         BitmapBytes(outline, layout);
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
  return Next(bytes.size(), [&](std::span<const std::byte> some) {
    std::memcpy(bytes.data(), some.data(), some.size());
    bytes = bytes.subspan(some.size());
  });
}

bool BlockReader::Skip(size_t bytes) {
  return Next(bytes, [](std::span<const std::byte> /*some*/) {});
}

template <typename Take>
bool BlockReader::Next(size_t bytes, Take take) {
  while (bytes > 0) {
    if (rest_.empty()) {
      if (next_ == blocks_.size()) return false;
      rest_ = blocks_[next_++];
      continue;
    }
    const size_t n = std::min(bytes, rest_.size());
    take(rest_.first(n));
    bytes -= n;
    rest_ = rest_.subspan(n);
  }
  return true;
}

}  // namespace ebb::server::internal
