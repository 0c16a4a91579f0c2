// RowTable::FromCut: the rows of a stored cut. Nothing that it says is
// believed: all memory that is obtained is for bytes that were given.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_reader.h"
#include "server/rows/row_table.h"

namespace ebb::server {

using internal::BlockReader;
using internal::RowCutFields;
using internal::RowCutOutline;
using internal::RowCutPart;

class RowTable::Loader {
 public:
  Loader(RowTable* table, RowCutFields fields, RowCut cut)
      : table_(*table),
        layout_(table->layout_),
        block_bytes_(table->pool_->block_bytes()),
        fields_(std::move(fields)),
        cut_(std::move(cut)) {}

  absl::Status Load(bool stored) {
    EBB_RETURN_IF_ERROR(CheckTable());
    EBB_RETURN_IF_ERROR(CheckBlocks());
    // Before blocks change.
    Parts parts = MakeParts();
    EBB_RETURN_IF_ERROR(LoadBase());
    for (size_t part = 1; part < fields_.parts.size(); ++part) {
      EBB_RETURN_IF_ERROR(LoadDelta(part));
    }
    EBB_RETURN_IF_ERROR(LoadCounters());
    EBB_RETURN_IF_ERROR(LoadRows());
    table_.changed_.Clear();
    table_.changed_counters_.Clear();
    if (stored && !converted_) table_.stored_ = std::move(parts);
    return absl::OkStatus();
  }

 private:
  template <typename... What>
  absl::Status Damaged(const What&... what) const {
    return absl::DataLossError(absl::StrCat("table '", table_.options_.table,
                                            "': its stored rows: ", what...));
  }

  // What the header says is that of this table, and its numbers are possible.
  absl::Status CheckTable() {
    if (fields_.table != table_.options_.table) {
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
    if (fields_.parts.empty()) return Damaged("no parts");
    return absl::OkStatus();
  }

  int64_t BlocksOf(int64_t bytes) const {
    return (bytes + block_bytes_ - 1) / block_bytes_;
  }

  // Each part has the blocks that its numbers ask for, with the contents that
  // the header knows.
  absl::Status CheckBlocks() {
    int64_t next = 0;
    const auto check = [&](const RowCutOutline& outline, size_t ordinal,
                           int64_t bytes) -> absl::Status {
      const RowCutBlock& block = cut_.blocks[next++];
      if (!block.block || block.bytes != bytes ||
          static_cast<int64_t>(block.block.size()) != block_bytes_) {
        return Damaged("block ", next - 1, " has ",
                       block.block ? block.bytes : 0, " bytes instead of ",
                       bytes);
      }
      if (internal::RowBlockChecksum(block.block.bytes().first(
              static_cast<size_t>(bytes))) != outline.checksums[ordinal]) {
        return Damaged("the checksum of block ", next - 1, " is wrong");
      }
      return absl::OkStatus();
    };
    for (size_t p = 0; p < fields_.parts.size(); ++p) {
      const RowCutOutline& outline = fields_.parts[p];
      for (const int64_t value : {outline.capacity, outline.records,
                                  outline.removed, outline.counters}) {
        if (value < 0 || value > RowLayout::kMaxRows) {
          return Damaged("part ", p, " says ", value);
        }
      }
      firsts_.push_back(static_cast<size_t>(next));
      // Whole blocks, and then two packed runs of bytes at most.
      const bool base = p == 0;
      const int64_t whole = base ? outline.records : 0;
      const std::array<int64_t, 2> packed = {
          base ? internal::BaseBitmapBytes(outline.capacity)
               : internal::DeltaBytes(outline, layout_),
          base ? internal::BaseCounterBytes(outline.counters) : 0};
      const int64_t count = whole + BlocksOf(packed[0]) + BlocksOf(packed[1]);
      if (static_cast<int64_t>(outline.checksums.size()) != count ||
          static_cast<int64_t>(cut_.blocks.size()) - next < count) {
        return Damaged("part ", p, " should have ", count, " blocks, and has ",
                       outline.checksums.size(), ", of ", cut_.blocks.size(),
                       " in all");
      }
      size_t ordinal = 0;
      for (int64_t i = 0; i < whole; ++i) {
        EBB_RETURN_IF_ERROR(check(outline, ordinal++,
                                  static_cast<int64_t>(layout_.used_bytes())));
      }
      for (int64_t left : packed) {
        for (; left > 0; left -= block_bytes_) {
          EBB_RETURN_IF_ERROR(
              check(outline, ordinal++, std::min(left, block_bytes_)));
        }
      }
    }
    if (next != static_cast<int64_t>(cut_.blocks.size())) {
      return Damaged(cut_.blocks.size(), " blocks instead of ", next);
    }
    return absl::OkStatus();
  }

  Parts MakeParts() const {
    Parts parts;
    for (size_t p = 0; p < fields_.parts.size(); ++p) {
      auto part = std::make_shared<RowCutPart>();
      part->outline = fields_.parts[p];
      for (size_t i = 0; i < part->outline.checksums.size(); ++i) {
        const RowCutBlock& block = cut_.blocks[firsts_[p] + i];
        part->blocks.push_back({block.content_id, block.bytes});
      }
      parts.push_back(std::move(part));
    }
    return parts;
  }

  // Of the blocks [first, first + those that `bytes` fill).
  BlockReader ReaderOf(size_t first, int64_t bytes) const {
    std::vector<std::span<const std::byte>> spans;
    for (; bytes > 0; bytes -= block_bytes_, ++first) {
      const RowCutBlock& block = cut_.blocks[first];
      spans.push_back(
          block.block.bytes().first(static_cast<size_t>(block.bytes)));
    }
    return BlockReader(std::move(spans));
  }

  absl::Status LoadBase() {
    const RowCutOutline& base = fields_.parts[0];
    table_.GrowTo(base.capacity);
    const auto bitmap_at = static_cast<size_t>(base.records);
    const int64_t bitmap_bytes = internal::BaseBitmapBytes(base.capacity);
    if (!ReaderOf(bitmap_at, bitmap_bytes)
             .Get(std::as_writable_bytes(table_.live_.mutable_words()))) {
      return Damaged("which rows are live is cut short");
    }
    const int64_t live = table_.live_.Count();
    table_.live_.Resize(base.capacity);  // Drops what is beyond.
    if (table_.live_.Count() != live) return Damaged("rows beyond the last");
    table_.live_.ForEach(
        [&](uint32_t row) { ++table_.blocks_[layout_.BlockOf(row)].rows; });
    size_t next = 0;
    for (size_t b = 0; b < table_.blocks_.size(); ++b) {
      Block& block = table_.blocks_[b];
      if (block.rows == 0) continue;
      if (next == bitmap_at) return Damaged("rows in a block that is missing");
      block.ref = std::move(cut_.blocks[next++].block);
      table_.block_bytes_[b] = block.ref.bytes().data();
    }
    if (next != bitmap_at) return Damaged("a block without rows");
    const size_t counters_at =
        bitmap_at + static_cast<size_t>(BlocksOf(bitmap_bytes));
    if (base.counters > RowTableOptions::kMaxCounters) {
      return Damaged(base.counters, " counters of admission");
    }
    counters_.resize(static_cast<size_t>(base.counters));
    if (!ReaderOf(counters_at, internal::BaseCounterBytes(base.counters))
             .Get(std::as_writable_bytes(std::span(counters_)))) {
      return Damaged("counters of admission are cut short");
    }
    return absl::OkStatus();
  }

  // This table becomes the only holder.
  absl::Status MakeWritable(uint32_t b) {
    Block& block = table_.blocks_[b];
    if (block.writable != nullptr) return absl::OkStatus();
    if (!block.ref) {
      EBB_ASSIGN_OR_RETURN(block.ref, table_.pool_->Allocate());
      const std::span<std::byte> bytes = block.ref.mutable_bytes();
      std::memset(bytes.data(), 0, bytes.size());
    } else if (!block.ref.Unique()) {
      EBB_ASSIGN_OR_RETURN(block.ref, table_.pool_->CopyForWrite(block.ref));
    }
    block.writable = block.ref.mutable_bytes().data();
    table_.block_bytes_[b] = block.writable;
    return absl::OkStatus();
  }

  absl::Status LoadDelta(size_t p) {
    const RowCutOutline& delta = fields_.parts[p];
    // A row number comes into being with a row, which is in the delta even if
    // it has gone since.
    if (delta.capacity < table_.capacity_ ||
        delta.capacity - table_.capacity_ > delta.records + delta.removed) {
      return Damaged("part ", p, " goes from ", table_.capacity_, " rows to ",
                     delta.capacity, " with ", delta.records, " changed and ",
                     delta.removed, " removed");
    }
    table_.GrowTo(delta.capacity);
    const auto short_part = [&] {
      return Damaged("part ", p, " is cut short");
    };
    const auto bad_row = [&](uint32_t row) {
      return Damaged("part ", p, " has row ", row, " of ", delta.capacity);
    };
    BlockReader read =
        ReaderOf(firsts_[p], internal::DeltaBytes(delta, layout_));
    uint32_t row = 0;
    for (int64_t i = 0; i < delta.records; ++i) {
      if (!read.GetValue(&row)) return short_part();
      if (row >= delta.capacity) return bad_row(row);
      const RowLayout::Place place = layout_.PlaceOf(row);
      EBB_RETURN_IF_ERROR(MakeWritable(place.block));
      Block& block = table_.blocks_[place.block];
      if (!read.Get({block.writable + place.offset, layout_.record_bytes()})) {
        return short_part();
      }
      if (table_.live_.Has(row)) continue;
      table_.live_.Add(row);
      ++block.rows;
    }
    for (int64_t i = 0; i < delta.removed; ++i) {
      if (!read.GetValue(&row)) return short_part();
      if (row >= delta.capacity) return bad_row(row);
      if (!table_.live_.Has(row)) continue;
      table_.live_.Remove(row);
      --table_.blocks_[layout_.BlockOf(row)].rows;
    }
    for (int64_t i = 0; i < delta.counters; ++i) {
      uint32_t entry = 0;
      if (!read.GetValue(&entry)) return short_part();
      const uint32_t counter = entry >> internal::kCounterBits;
      if (counter >= counters_.size()) {
        return Damaged("part ", p, " has counter ", counter, " of ",
                       counters_.size());
      }
      counters_[counter] = static_cast<uint8_t>(entry);
    }
    return absl::OkStatus();
  }

  absl::Status LoadCounters() {
    if (static_cast<int64_t>(counters_.size()) == table_.counter_count()) {
      for (size_t i = 0; i < counters_.size(); ++i) {
        table_.counters_[i] = counters_[i];
      }
    } else {
      converted_ = true;
    }
    return absl::OkStatus();
  }

  // The index, and all that is counted.
  absl::Status LoadRows() {
    cut_.blocks.clear();
    for (size_t b = 0; b < table_.blocks_.size(); ++b) {
      if (table_.blocks_[b].rows > 0) continue;
      table_.blocks_[b] = {};
      table_.block_bytes_[b] = nullptr;
    }
    const int64_t rows = table_.live_.Count();
    if (rows != fields_.rows) {
      return Damaged(rows, " rows instead of ", fields_.rows);
    }
    table_.now_ = fields_.now;
    table_.pushes_ = fields_.pushes;
    table_.sweep_hand_ = static_cast<uint32_t>(fields_.sweep_hand);
    table_.totals_.created = fields_.created;
    table_.totals_.expired = fields_.expired;
    table_.totals_.evicted = fields_.evicted;
    table_.totals_.not_admitted = fields_.not_admitted;
    RowAges& ages = table_.ages_;
    ages.Advance(ages.UnitOf(fields_.now));
    const bool other_unit = fields_.unit_examples != ages.unit_examples();
    converted_ |= other_unit;
    table_.row_blocks_ = std::ranges::count_if(
        table_.blocks_, [](const Block& block) { return bool{block.ref}; });
    RowIndex& index = table_.index_->index;
    EBB_RETURN_IF_ERROR(table_.PromiseRoom(0, rows));
    index.Reserve(static_cast<size_t>(rows));
    absl::Status status;
    table_.live_.ForEach([&](uint32_t row) {
      if (status.ok()) status = LoadRow(row, other_unit, &index);
    });
    EBB_RETURN_IF_ERROR(status);
    const std::span<const uint64_t> words = table_.live_.words();
    while (table_.first_free_ < words.size() &&
           ~words[table_.first_free_] == 0) {
      ++table_.first_free_;
    }
    return absl::OkStatus();
  }

  absl::Status LoadRow(uint32_t row, bool other_unit, RowIndex* index) {
    const internal::RowReader read = table_.reader();
    const std::byte* record = read.RecordOf(row);
    const uint64_t key = RowLayout::KeyOf(record);
    const uint32_t hash = RowIndex::HashOf(key);
    for (size_t at = index->Find(hash); index->Has(at, hash); ++at) {
      if (RowLayout::KeyOf(read.RecordOf(index->RowAt(at))) == key) {
        return Damaged("rows ", index->RowAt(at), " and ", row,
                       " have the same key ", key);
      }
    }
    index->Insert(hash, row);
    uint32_t touched = RowLayout::TouchedOf(record);
    const uint32_t now = table_.ages_.now();
    if (other_unit) {
      // What the multiplication wraps around to is a time, too.
      touched = table_.ages_.UnitOf(static_cast<int64_t>(
          std::min(touched * static_cast<uint64_t>(fields_.unit_examples),
                   static_cast<uint64_t>(fields_.now))));
      const RowLayout::Place place = layout_.PlaceOf(row);
      EBB_RETURN_IF_ERROR(MakeWritable(place.block));
      RowLayout::SetTouched(
          touched, table_.blocks_[place.block].writable + place.offset);
    }
    if (touched > now) {
      return Damaged("row ", row, " was touched after the cut");
    }
    table_.ages_.Add(touched);
    return absl::OkStatus();
  }

  RowTable& table_;
  const RowLayout& layout_;
  const int64_t block_bytes_;
  const RowCutFields fields_;
  RowCut cut_;
  std::vector<size_t> firsts_;  // Of each part, in cut_.blocks.
  std::vector<uint8_t> counters_;
  bool converted_ = false;  // Not what is stored.
};

absl::StatusOr<std::unique_ptr<RowTable>> RowTable::FromCut(
    RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
    std::shared_ptr<BlockPool> pool, RowCut cut, bool stored) {
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<RowTable> table,
      Create(std::move(options), std::move(optimizer), std::move(pool)));
  EBB_ASSIGN_OR_RETURN(
      RowCutFields fields,
      internal::DecodeRowCutHeader(table->options_.table, cut.header));
  Loader loader(table.get(), std::move(fields), std::move(cut));
  EBB_RETURN_IF_ERROR(loader.Load(stored));
  return table;
}

}  // namespace ebb::server
