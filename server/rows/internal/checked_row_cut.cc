#include "server/rows/internal/checked_row_cut.h"

#include <algorithm>
#include <array>
#include <span>

#include "common/status_macros.h"
#include "server/rows/row_options.h"

namespace ebb::server::internal {

absl::Status CheckedRowCut::Check() {
  EBB_ASSIGN_OR_RETURN(fields_,
                       DecodeRowCutHeader(table_, layout_, cut_.header));
  EBB_RETURN_IF_ERROR(CheckTable());
  size_t next = 0;
  for (size_t p = 0; p < parts().size(); ++p) {
    EBB_RETURN_IF_ERROR(CheckPart(p, &next));
  }
  if (next != cut_.blocks.size()) {
    return Damaged(cut_.blocks.size(), " blocks instead of ", next);
  }
  return absl::OkStatus();
}

// What the header says is that of this table, and its numbers are possible.
absl::Status CheckedRowCut::CheckTable() const {
  if (fields_.table != table_) {
    return Damaged("they are those of table '", fields_.table, "'");
  }
  if (fields_.width != layout_.width() || fields_.slots != layout_.slots()) {
    return Damaged("they have ", fields_.width, " floats and ", fields_.slots,
                   " slot(s) instead of ", layout_.width(), " and ",
                   layout_.slots());
  }
  if (fields_.block_bytes != static_cast<uint64_t>(block_bytes_)) {
    return Damaged("in blocks of ", fields_.block_bytes, " bytes instead of ",
                   block_bytes_);
  }
  for (const int64_t value :
       {fields_.unit_examples - 1, fields_.now, fields_.rows, fields_.pushes,
        fields_.created, fields_.expired, fields_.evicted,
        fields_.not_admitted}) {
    if (value < 0) return Damaged("a negative number in the header");
  }
  if (fields_.sweep_hand > RowLayout::kMaxRows) {
    return Damaged("swept up to row ", fields_.sweep_hand);
  }
  if (parts().empty()) return Damaged("no parts");
  return absl::OkStatus();
}

// The numbers of a part are possible.
absl::Status CheckedRowCut::CheckNumbers(size_t p) const {
  const RowCutOutline& part = parts()[p];
  for (const int64_t value :
       {part.capacity, part.records, part.removed, part.changed_counters,
        part.dropped, part.first_block, part.end_block, part.kept_block,
        part.blocks, part.first_counter, part.end_counter}) {
    if (value < 0 || value > RowLayout::kMaxRows) {
      return Damaged("part ", p, " says ", value);
    }
  }
  if (part.first_block > part.kept_block || part.kept_block > part.end_block ||
      part.end_block > static_cast<int64_t>(layout_.BlocksOf(part.capacity)) ||
      part.blocks > part.end_block - part.kept_block ||
      part.first_counter > part.end_counter ||
      (part.first_counter < part.end_counter &&
       part.first_counter % block_bytes_ != 0) ||
      part.end_counter > RowTableOptions::kMaxCounters ||
      part.dropped * block_bytes_ > part.records * ChangeBytes(layout_)) {
    return Damaged("part ", p, " has numbers that do not go together");
  }
  if (p > 0 && part.capacity < parts()[p - 1].capacity) {
    return Damaged("part ", p, " goes from ", parts()[p - 1].capacity,
                   " rows to ", part.capacity);
  }
  return absl::OkStatus();
}

// `*next` goes on behind the blocks of the part.
absl::Status CheckedRowCut::CheckPart(size_t p, size_t* next) {
  EBB_RETURN_IF_ERROR(CheckNumbers(p));
  const RowCutOutline& part = parts()[p];
  firsts_.push_back(*next);
  // Whole blocks, and then two packed runs of bytes.
  const std::array<int64_t, 2> packed = {
      PackedBytes(part, layout_, block_bytes_), CounterBytes(part)};
  const int64_t count = part.blocks + BlocksFor(packed[0], block_bytes_) +
                        BlocksFor(packed[1], block_bytes_);
  if (static_cast<int64_t>(part.checksums.size()) != count ||
      static_cast<int64_t>(cut_.blocks.size() - *next) < count) {
    return Damaged("part ", p, " should have ", count, " blocks, and has ",
                   part.checksums.size(), ", of ", cut_.blocks.size(),
                   " in all");
  }
  auto checksum = part.checksums.begin();
  for (int64_t i = 0; i < part.blocks; ++i) {
    EBB_RETURN_IF_ERROR(CheckBlock(
        (*next)++, static_cast<int64_t>(layout_.used_bytes()), *checksum++));
  }
  for (int64_t left : packed) {
    for (; left > 0; left -= block_bytes_) {
      EBB_RETURN_IF_ERROR(
          CheckBlock((*next)++, std::min(left, block_bytes_), *checksum++));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckedRowCut::CheckBlock(size_t block, int64_t bytes,
                                       uint64_t checksum) const {
  const RowCutBlock& each = cut_.blocks[block];
  if (!each.block || each.bytes != bytes ||
      static_cast<int64_t>(each.block.size()) != block_bytes_) {
    return Damaged("block ", block, " has ", each.block ? each.bytes : 0,
                   " bytes instead of ", bytes);
  }
  if (RowBlockChecksum(each.block.bytes().first(static_cast<size_t>(bytes))) !=
      checksum) {
    return Damaged("the checksum of block ", block, " is wrong");
  }
  return absl::OkStatus();
}

BlockReader CheckedRowCut::ReaderOf(size_t part) const {
  const RowCutOutline& outline = parts()[part];
  std::vector<std::span<const std::byte>> spans;
  for (auto i = static_cast<size_t>(outline.blocks);
       i < outline.checksums.size(); ++i) {
    const RowCutBlock& each = block(part, i);
    spans.push_back(each.block.bytes().first(static_cast<size_t>(each.bytes)));
  }
  return BlockReader(std::move(spans));
}

}  // namespace ebb::server::internal
