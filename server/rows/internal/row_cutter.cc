#include "server/rows/internal/row_cutter.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/status_macros.h"
#include "server/rows/internal/row_packing.h"
#include "server/rows/row_layout.h"
#include "server/rows/row_set.h"

namespace ebb::server::internal {
namespace {

// The 64 bits from `at` on.
uint64_t BitsAt(std::span<const uint64_t> words, size_t at) {
  const size_t word = at / 64, shift = at % 64;
  uint64_t bits = words[word] >> shift;
  if (shift > 0 && word + 1 < words.size()) {
    bits |= words[word + 1] << (64 - shift);
  }
  return bits;
}

// `bytes` of the blocks, full ones first.
void AddPacked(std::vector<BlockRef> blocks, int64_t bytes, RowCutPart* part,
               RowCut* cut) {
  for (BlockRef& block : blocks) {
    const auto size = std::min(bytes, static_cast<int64_t>(block.size()));
    bytes -= size;
    part->blocks.push_back({block.content_id(), size});
    cut->blocks.push_back({block.content_id(), size, std::move(block)});
  }
}

}  // namespace

RowCutter::RowCutter(RowStore* rows, const RowAdmitter& admitter,
                     const RowChanges& changes, RowCutFields fields)
    : rows_(*rows),
      admitter_(admitter),
      changes_(changes),
      fields_(std::move(fields)),
      base_(*rows, admitter.counter_count()) {}

absl::StatusOr<RowCut> RowCutter::Cut(NextVersion next) {
  RowCut cut = Stored(*next.version);
  if (next.same) return cut;
  const int64_t packed = base_.PackedBytes(next.outline);
  EBB_ASSIGN_OR_RETURN(std::vector<BlockRef> blocks,
                       rows_.pool().AllocateMany(base_.BlocksFor(packed)));
  EBB_ASSIGN_OR_RETURN(
      std::vector<BlockRef> counters,
      rows_.pool().AllocateMany(base_.BlocksFor(CounterBytes(next.outline))));
  auto part = std::make_shared<RowCutPart>();
  part->outline = std::move(next.outline);
  part->hand = next.version->hand;
  AddRows(part.get(), &cut);
  const std::vector<uint32_t> rows = Pack(*part, blocks, &cut);
  const size_t first = part->blocks.size();
  AddPacked(std::move(blocks), packed, part.get(), &cut);
  SetPlaces(rows, std::span(part->blocks).subspan(first));
  PackCounters(std::move(counters), part.get(), &cut);
  cut.state->parts.push_back(part);
  next.version->parts.push_back(std::move(part));
  return cut;
}

// The version's parts, which are stored.
RowCut RowCutter::Stored(const RowVersion& version) const {
  RowCut cut;
  for (const auto& part : version.parts) {
    for (const RowCutPart::Block& block : part->blocks) {
      cut.blocks.push_back({block.content_id, block.bytes, BlockRef()});
    }
  }
  cut.state = std::make_shared<RowCutState>();
  cut.state->fields = fields_;
  cut.state->parts = version.parts;
  return cut;
}

// The run's blocks of rows.
void RowCutter::AddRows(RowCutPart* part, RowCut* cut) {
  const auto used = static_cast<int64_t>(rows_.layout().used_bytes());
  const auto more = static_cast<size_t>(part->outline.blocks);
  part->blocks.reserve(more);
  cut->blocks.reserve(cut->blocks.size() + more);
  for (int64_t b = part->outline.first_block; b < part->outline.end_block;
       ++b) {
    if (!rows_.blocks().Exists(static_cast<size_t>(b))) continue;
    const BlockRef& block = rows_.blocks().Share(static_cast<size_t>(b));
    const uint64_t id = block.content_id();
    part->blocks.push_back({id, used, base_.PlaceOf(b)});
    cut->blocks.push_back({id, used, block});
  }
}

// All but the rows that changed, which are packed as the cut is sealed.
// Returns them, in their order.
std::vector<uint32_t> RowCutter::Pack(const RowCutPart& part,
                                      std::vector<BlockRef>& blocks,
                                      RowCut* cut) const {
  const RowCutOutline& outline = part.outline;
  const RowLayout& layout = rows_.layout();
  const RowSet& live = rows_.numbers().live();
  std::vector<uint32_t> rows, removed;
  BlockWriter write(blocks);
  if (outline.records + outline.removed > 0) {
    rows.reserve(static_cast<size_t>(outline.records));
    removed.reserve(static_cast<size_t>(outline.removed));
    changes_.rows.ForEach(
        [&](uint32_t row) { (live.Has(row) ? rows : removed).push_back(row); });
    // In the order in which the hand comes by.
    const int64_t next =
        std::max<int64_t>(part.hand.place - base_.counter_places(), 0) *
        layout.rows_per_block();
    std::rotate(rows.begin(), std::ranges::lower_bound(rows, next), rows.end());
  }
  write.Seek(rows.size() * static_cast<size_t>(ChangeBytes(layout)));
  write.Put(std::as_bytes(std::span(removed)));
  if (outline.changed_counters > 0) {
    changes_.counters.ForEach([&](uint32_t counter) {
      write.PutValue(counter << kCounterBits | admitter_.counters()[counter]);
    });
  }
  const auto [first, end] = RowsOfRun(outline, layout);
  for (int64_t row = first; row < end; row += 64) {
    uint64_t bits = BitsAt(live.words(), static_cast<size_t>(row));
    if (end - row < 64) bits &= ~uint64_t{0} >> (64 - (end - row));
    write.PutValue(bits);
  }
  if (!rows.empty()) {
    cut->state->packing = std::make_shared<RowPacking>(
        layout, rows, &rows_.blocks().bytes(), blocks, std::move(write));
  }
  return rows;
}

// Sets the places until which packed blocks are needed.
void RowCutter::SetPlaces(std::span<const uint32_t> rows,
                          std::span<RowCutPart::Block> blocks) const {
  const RowLayout& layout = rows_.layout();
  const int64_t block_bytes = base_.block_bytes();
  const int64_t each = ChangeBytes(layout);
  const int64_t bytes = static_cast<int64_t>(rows.size()) * each;
  for (int64_t end = block_bytes; end <= bytes; end += block_bytes) {
    const uint32_t last = rows[static_cast<size_t>((end - 1) / each)];
    blocks[static_cast<size_t>(end / block_bytes - 1)].place =
        base_.PlaceOf(layout.BlockOf(last));
  }
}

void RowCutter::PackCounters(std::vector<BlockRef> blocks, RowCutPart* part,
                             RowCut* cut) const {
  const RowCutOutline& outline = part->outline;
  const int64_t bytes = CounterBytes(outline);
  BlockWriter write(blocks);
  admitter_.counters().ForEachRun(
      static_cast<size_t>(outline.first_counter),
      static_cast<size_t>(outline.end_counter),
      [&](const uint8_t* run, size_t count) {
        write.Put(std::as_bytes(std::span(run, count)));
      });
  for (int64_t i = outline.end_counter - outline.first_counter; i < bytes;
       ++i) {
    write.PutValue(std::byte{0});
  }
  const size_t first = part->blocks.size();
  AddPacked(std::move(blocks), bytes, part, cut);
  int64_t place = outline.first_counter / base_.block_bytes();
  for (size_t i = first; i < part->blocks.size(); ++i) {
    part->blocks[i].place = place++;
  }
}

}  // namespace ebb::server::internal
