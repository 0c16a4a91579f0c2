#include "server/rows/internal/row_loader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "common/status_macros.h"
#include "server/rows/internal/renewal_hand.h"
#include "server/rows/row_ages.h"
#include "server/rows/row_set.h"

namespace ebb::server::internal {

RowLoader::RowLoader(CheckedRowCut* cut, RowStore* rows, RowAdmitter* admitter)
    : cut_(*cut),
      rows_(*rows),
      admitter_(*admitter),
      layout_(rows->layout()),
      base_(*rows, admitter->counter_count()),
      version_(std::make_shared<RowVersion>()) {}

absl::Status RowLoader::Load() {
  EBB_RETURN_IF_ERROR(MakeRoom());
  // Before blocks change.
  for (size_t p = 0; p < cut_.parts().size(); ++p) {
    EBB_RETURN_IF_ERROR(AddStored(p));
  }
  for (size_t p = 0; p < cut_.parts().size(); ++p) {
    EBB_RETURN_IF_ERROR(LoadPart(p));
  }
  if (static_cast<int64_t>(counters_.size()) == admitter_.counter_count()) {
    admitter_.Load(counters_);
  }
  return LoadIndex();
}

// All row numbers and counters. Each has a bit in a run, or is among what
// changed: so it was paid for.
absl::Status RowLoader::MakeRoom() {
  int64_t rows = 0, counters = 0, end_counter = 0;
  for (const RowCutOutline& part : cut_.parts()) {
    const auto [first, end] = RowsOfRun(part, layout_);
    rows += end - first + part.records - cut_.FirstRecord(part) + part.removed;
    counters += part.end_counter - part.first_counter;
    end_counter = std::max(end_counter, part.end_counter);
  }
  const int64_t capacity = cut_.parts().back().capacity;
  if (capacity > rows) {
    return cut_.Damaged(capacity, " rows, and something of ", rows);
  }
  if (end_counter > counters) {
    return cut_.Damaged(end_counter, " counters of admission, and ", counters,
                        " of them");
  }
  rows_.GrowTo(capacity);
  last_runs_.assign(rows_.blocks().size(), -1);
  for (size_t p = 0; p < cut_.parts().size(); ++p) {
    const RowCutOutline& part = cut_.parts()[p];
    std::fill(last_runs_.begin() + part.first_block,
              last_runs_.begin() + part.end_block, static_cast<int64_t>(p));
  }
  counters_.resize(static_cast<size_t>(end_counter));
  const RowAges& ages = rows_.ages();
  other_unit_ = cut_.fields().unit_examples != ages.unit_examples();
  converted_ =
      !cut_.fields().goes_on || end_counter != admitter_.counter_count();
  return absl::OkStatus();
}

absl::Status RowLoader::AddStored(size_t p) {
  const RowCutOutline& outline = cut_.parts()[p];
  RenewalHand& hand = version_->hand;
  int64_t first = hand.place, end = hand.place;
  if (outline.end_counter > outline.first_counter) {
    first = outline.first_counter / base_.block_bytes();
    end = base_.BlocksFor(outline.end_counter);
  }
  if (outline.end_block > outline.first_block) {
    end = base_.PlaceOf(outline.end_block);
    if (outline.end_counter == outline.first_counter) {
      first = base_.PlaceOf(outline.first_block);
    }
  }
  EBB_RETURN_IF_ERROR(CheckHand(p, first));
  if (first < hand.place) ++hand.round;
  hand.place = end;
  auto part = std::make_shared<RowCutPart>();
  part->outline = outline;
  part->hand = hand;
  for (size_t i = 0; i < outline.checksums.size(); ++i) {
    const RowCutBlock& block = cut_.block(p, i);
    part->blocks.push_back({block.content_id, block.bytes});
  }
  int64_t place = outline.first_counter / base_.block_bytes();
  const int64_t counters = base_.BlocksFor(CounterBytes(outline));
  for (size_t i = part->blocks.size() - static_cast<size_t>(counters);
       i < part->blocks.size(); ++i) {
    part->blocks[i].place = place++;
  }
  version_->parts.push_back(std::move(part));
  return absl::OkStatus();
}

// The part goes on where the one before it ended, or begins a round. A round is
// over only when all is renewed that older parts may be of.
absl::Status RowLoader::CheckHand(size_t p, int64_t first) const {
  const int64_t place = version_->hand.place;
  if (p == 0 || first == place || converted_) return absl::OkStatus();
  const auto before =
      static_cast<int64_t>(layout_.BlocksOf(cut_.parts()[p - 1].capacity));
  if (first == 0 && place >= base_.PlaceOf(before)) return absl::OkStatus();
  return cut_.Damaged("part ", p, " goes on at place ", first, " instead of ",
                      place);
}

absl::Status RowLoader::LoadPart(size_t p) {
  const RowCutOutline& outline = cut_.parts()[p];
  BlockReader read = cut_.ReaderOf(p);
  EBB_RETURN_IF_ERROR(LoadChanges(p, read));
  EBB_RETURN_IF_ERROR(LoadRun(p, read));
  const std::span<uint8_t> counters = std::span(counters_).subspan(
      static_cast<size_t>(outline.first_counter),
      static_cast<size_t>(outline.end_counter - outline.first_counter));
  if (!read.Get(std::as_writable_bytes(counters))) return Short(p);
  return absl::OkStatus();
}

// Rows and counters that changed.
absl::Status RowLoader::LoadChanges(size_t p, BlockReader& read) {
  const RowCutOutline& outline = cut_.parts()[p];
  EBB_RETURN_IF_ERROR(LoadRecords(p, read));
  uint32_t row = 0;
  for (int64_t i = 0; i < outline.removed; ++i) {
    if (!read.GetValue(&row)) return Short(p);
    if (row >= outline.capacity) return BadRow(p, row);
    if (!rows_.numbers().live().Has(row)) continue;
    rows_.numbers().Remove(row);
    rows_.blocks().RemoveRow(row);
  }
  for (int64_t i = 0; i < outline.changed_counters; ++i) {
    uint32_t entry = 0;
    if (!read.GetValue(&entry)) return Short(p);
    const uint32_t counter = entry >> kCounterBits;
    if (counter >= counters_.size()) {
      return cut_.Damaged("part ", p, " has counter ", counter, " of ",
                          counters_.size());
    }
    counters_[counter] = static_cast<uint8_t>(entry);
  }
  return absl::OkStatus();
}

absl::Status RowLoader::LoadRecords(size_t p, BlockReader& read) {
  const RowCutOutline& outline = cut_.parts()[p];
  const int64_t block_bytes = base_.block_bytes();
  const int64_t each = ChangeBytes(layout_);
  const int64_t first = cut_.FirstRecord(outline);
  int64_t at = outline.dropped * block_bytes;
  const auto packed = version_->parts[p]->blocks.begin() + outline.blocks;
  // The rest of a row of which the beginning was dropped.
  std::vector<std::byte> rest(static_cast<size_t>(first * each - at));
  if (!read.Get(rest)) return Short(p);
  uint32_t row = 0;
  for (int64_t i = first; i < outline.records; ++i) {
    if (!read.GetValue(&row)) return Short(p);
    if (row >= outline.capacity) return BadRow(p, row);
    const uint32_t block = layout_.BlockOf(row);
    // Covers blocks that end within the row.
    for (; at + block_bytes <= (i + 1) * each; at += block_bytes) {
      packed[at / block_bytes - outline.dropped].place = base_.PlaceOf(block);
    }
    if (last_runs_[block] >= static_cast<int64_t>(p)) {
      // The run has it anew, and until then it would want a block.
      if (!read.Skip(layout_.record_bytes())) return Short(p);
      continue;
    }
    EBB_RETURN_IF_ERROR(rows_.blocks().MakeSole(block));
    if (!read.Get(
            {rows_.blocks().MutableRecord(row), layout_.record_bytes()})) {
      return Short(p);
    }
    if (rows_.numbers().live().Has(row)) continue;
    rows_.numbers().Add(row);
    rows_.blocks().AddRow(row);
  }
  return absl::OkStatus();
}

// Which rows of the run are live, and its blocks.
absl::Status RowLoader::LoadRun(size_t p, BlockReader& read) {
  const RowCutOutline& outline = cut_.parts()[p];
  RowBlocks& blocks = rows_.blocks();
  for (int64_t b = outline.first_block; b < outline.end_block; ++b) {
    blocks.Drop(static_cast<size_t>(b));
  }
  EBB_RETURN_IF_ERROR(LoadBits(p, read));
  size_t next = 0;
  const auto last = static_cast<size_t>(outline.blocks);
  for (int64_t b = outline.kept_block; b < outline.end_block; ++b) {
    const auto block = static_cast<size_t>(b);
    if (!blocks.HasRows(block)) continue;
    if (next == last) {
      return cut_.Damaged("part ", p, " has rows in a block that is missing");
    }
    version_->parts[p]->blocks[next].place = base_.PlaceOf(b);
    blocks.Adopt(block, cut_.TakeBlock(p, next++));
  }
  if (next != last) {
    return cut_.Damaged("part ", p, " has a block without rows");
  }
  return absl::OkStatus();
}

absl::Status RowLoader::LoadBits(size_t p, BlockReader& read) {
  const RowCutOutline& outline = cut_.parts()[p];
  const auto [first, end] = RowsOfRun(outline, layout_);
  for (int64_t row = first; row < end; row += 64) {
    uint64_t bits = 0;
    if (!read.GetValue(&bits)) return Short(p);
    for (int64_t i = 0; i < 64; ++i, bits >>= 1) {
      const int64_t each = row + i;
      if (each >= end) {
        if (bits == 0) break;
        return cut_.Damaged("part ", p, " has rows beyond its last");
      }
      const auto number = static_cast<uint32_t>(each);
      // Later parts have what was dropped.
      if ((bits & 1) == 0 || layout_.BlockOf(number) < outline.kept_block) {
        rows_.numbers().Remove(number);
        continue;
      }
      rows_.numbers().Add(number);
      rows_.blocks().AddRow(number);
    }
  }
  return absl::OkStatus();
}

// The index, and the rows' ages.
absl::Status RowLoader::LoadIndex() {
  cut_.DropBlocks();
  for (size_t b = 0; b < rows_.blocks().size(); ++b) {
    rows_.blocks().DropIfEmpty(b);
  }
  const int64_t count = rows_.numbers().live().Count();
  if (count != cut_.fields().rows) {
    return cut_.Damaged(count, " rows instead of ", cut_.fields().rows);
  }
  RowAges& ages = rows_.ages();
  ages.Advance(ages.UnitOf(cut_.fields().now));
  converted_ |= other_unit_;
  EBB_RETURN_IF_ERROR(rows_.PromiseRoom(0, count));
  rows_.ReserveIndex(static_cast<size_t>(count));
  absl::Status status;
  rows_.numbers().live().ForEach([&](uint32_t row) {
    if (status.ok()) status = LoadRow(row);
  });
  return status;
}

absl::Status RowLoader::LoadRow(uint32_t row) {
  uint32_t other = 0;
  if (!rows_.Enter(row, &other)) {
    return cut_.Damaged("rows ", other, " and ", row, " have the same key ",
                        RowLayout::KeyOf(rows_.blocks().RecordOf(row)));
  }
  RowAges& ages = rows_.ages();
  uint32_t touched = RowLayout::TouchedOf(rows_.blocks().RecordOf(row));
  if (other_unit_) {
    // If the multiplication wraps around, that is a time, too.
    touched = ages.UnitOf(static_cast<int64_t>(
        std::min(touched * static_cast<uint64_t>(cut_.fields().unit_examples),
                 static_cast<uint64_t>(cut_.fields().now))));
    EBB_RETURN_IF_ERROR(rows_.blocks().MakeSole(layout_.BlockOf(row)));
    RowLayout::SetTouched(touched, rows_.blocks().MutableRecord(row));
  }
  if (touched > ages.now()) {
    return cut_.Damaged("row ", row, " was touched after the cut");
  }
  ages.Add(touched);
  return absl::OkStatus();
}

absl::Status RowLoader::Short(size_t p) const {
  return cut_.Damaged("part ", p, " is cut short");
}

absl::Status RowLoader::BadRow(size_t p, uint32_t row) const {
  return cut_.Damaged("part ", p, " has row ", row, " of ",
                      cut_.parts()[p].capacity);
}

}  // namespace ebb::server::internal
