#include "server/rows/row_list.h"

#include <glog/logging.h>

#include <algorithm>
#include <bit>

#include "common/status_macros.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/row_ages.h"

namespace ebb::server {

absl::StatusOr<RowList> RowList::Of(RowTable* table) {
  EBB_ASSIGN_OR_RETURN(RowCut cut, table->TakeWholeCut());
  RowList list(table->layout());
  list.blocks_ = std::move(cut.blocks);
  // One run: the blocks that have rows, and then which rows are live.
  const internal::RowCutOutline& base = cut.state->parts.front()->outline;
  std::vector<std::span<const std::byte>> packed;
  for (auto b = static_cast<size_t>(base.blocks); b < list.blocks_.size();
       ++b) {
    const RowCutBlock& block = list.blocks_[b];
    packed.push_back(
        block.block.bytes().first(static_cast<size_t>(block.bytes)));
  }
  std::vector<uint64_t> live(
      static_cast<size_t>(internal::BitmapBytes(base, list.layout_)) /
      sizeof(uint64_t));
  CHECK(internal::BlockReader(std::move(packed))
            .Get(std::as_writable_bytes(std::span(live))));

  const RowAges ages(table->options().expire_after_examples);
  const uint32_t now = ages.UnitOf(table->now());
  list.rows_.reserve(static_cast<size_t>(cut.state->fields.rows));
  uint32_t block = 0;  // The block of the row before,
  size_t ordinal = 0;  // and how many blocks with rows came before the next.
  for (size_t word = 0; word < live.size(); ++word) {
    for (uint64_t bits = live[word]; bits != 0; bits &= bits - 1) {
      const auto row =
          static_cast<uint32_t>(word * 64 + std::countr_zero(bits));
      const RowLayout::Place place = list.layout_.PlaceOf(row);
      if (ordinal == 0 || place.block != block) ++ordinal;
      block = place.block;
      const std::byte* const record =
          list.blocks_[ordinal - 1].block.bytes().data() + place.offset;
      if (ages.Expired(RowLayout::TouchedOf(record), now)) continue;
      list.rows_.emplace_back(RowLayout::KeyOf(record), record);
    }
  }
  std::ranges::sort(list.rows_);
  return list;
}

}  // namespace ebb::server
