// RowTable::FromCut: the rows of a stored cut. It trusts none of its
// statements: it obtains memory only for bytes that are there.
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
using internal::RenewalHand;
using internal::RowCutFields;
using internal::RowCutOutline;
using internal::RowCutPart;
using internal::RowVersion;

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
    EBB_RETURN_IF_ERROR(MakeRoom());
    // Before blocks change.
    auto version = std::make_shared<RowVersion>();
    for (size_t p = 0; p < fields_.parts.size(); ++p) {
      EBB_RETURN_IF_ERROR(AddStored(p, version.get()));
    }
    for (size_t p = 0; p < fields_.parts.size(); ++p) {
      EBB_RETURN_IF_ERROR(LoadPart(p, version->parts[p].get()));
    }
    LoadCounters();
    EBB_RETURN_IF_ERROR(LoadRows());
    table_.changed_.Clear();
    table_.changed_counters_.Clear();
    if (stored && !converted_) table_.stored_ = std::move(version);
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
      EBB_RETURN_IF_ERROR(CheckNumbers(p));
      firsts_.push_back(static_cast<size_t>(next));
      // Whole blocks, and then two packed runs of bytes.
      const std::array<int64_t, 2> packed = {PackedBytes(outline),
                                             internal::CounterBytes(outline)};
      const int64_t count =
          outline.blocks + BlocksOf(packed[0]) + BlocksOf(packed[1]);
      if (static_cast<int64_t>(outline.checksums.size()) != count ||
          static_cast<int64_t>(cut_.blocks.size()) - next < count) {
        return Damaged("part ", p, " should have ", count, " blocks, and has ",
                       outline.checksums.size(), ", of ", cut_.blocks.size(),
                       " in all");
      }
      size_t ordinal = 0;
      for (int64_t i = 0; i < outline.blocks; ++i) {
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

  // The stored bytes of the changes and of the bits.
  int64_t PackedBytes(const RowCutOutline& outline) const {
    return internal::ChangesBytes(outline, layout_) -
           outline.dropped * block_bytes_ +
           internal::BitmapBytes(outline, layout_);
  }

  // Rows that changed, of which the record is stored: from this one on.
  int64_t FirstRecord(const RowCutOutline& outline) const {
    const int64_t each = internal::ChangeBytes(layout_);
    return (outline.dropped * block_bytes_ + each - 1) / each;
  }

  // The numbers of a part are possible.
  absl::Status CheckNumbers(size_t p) const {
    const RowCutOutline& part = fields_.parts[p];
    for (const int64_t value :
         {part.capacity, part.records, part.removed, part.changed_counters,
          part.dropped, part.first_block, part.end_block, part.kept_block,
          part.blocks, part.first_counter, part.end_counter}) {
      if (value < 0 || value > RowLayout::kMaxRows) {
        return Damaged("part ", p, " says ", value);
      }
    }
    if (part.first_block > part.kept_block ||
        part.kept_block > part.end_block ||
        part.end_block >
            static_cast<int64_t>(layout_.BlocksOf(part.capacity)) ||
        part.blocks > part.end_block - part.kept_block ||
        part.first_counter > part.end_counter ||
        (part.first_counter < part.end_counter &&
         part.first_counter % block_bytes_ != 0) ||
        part.end_counter > RowTableOptions::kMaxCounters ||
        part.dropped * block_bytes_ >
            part.records * internal::ChangeBytes(layout_)) {
      return Damaged("part ", p, " has numbers that do not go together");
    }
    if (p > 0 && part.capacity < fields_.parts[p - 1].capacity) {
      return Damaged("part ", p, " goes from ", fields_.parts[p - 1].capacity,
                     " rows to ", part.capacity);
    }
    return absl::OkStatus();
  }

  // All row numbers and counters. Each has a bit in a run, or is among what
  // changed: so it was paid for.
  absl::Status MakeRoom() {
    int64_t rows = 0, counters = 0, end_counter = 0;
    for (const RowCutOutline& part : fields_.parts) {
      const auto [first, end] = internal::RowsOfRun(part, layout_);
      rows += end - first + part.records - FirstRecord(part) + part.removed;
      counters += part.end_counter - part.first_counter;
      end_counter = std::max(end_counter, part.end_counter);
    }
    const int64_t capacity = fields_.parts.back().capacity;
    if (capacity > rows) {
      return Damaged(capacity, " rows, and something of ", rows);
    }
    if (end_counter > counters) {
      return Damaged(end_counter, " counters of admission, and ", counters,
                     " of them");
    }
    table_.GrowTo(capacity);
    last_runs_.assign(table_.blocks_.size(), -1);
    for (size_t p = 0; p < fields_.parts.size(); ++p) {
      const RowCutOutline& part = fields_.parts[p];
      std::fill(last_runs_.begin() + part.first_block,
                last_runs_.begin() + part.end_block, static_cast<int64_t>(p));
    }
    counters_.resize(static_cast<size_t>(end_counter));
    converted_ = !fields_.goes_on || end_counter != table_.counter_count();
    return absl::OkStatus();
  }

  // The part as it is stored, and where the renewal was. LoadPart completes it.
  absl::Status AddStored(size_t p, RowVersion* version) const {
    const RowCutOutline& outline = fields_.parts[p];
    const int64_t counter_places = BlocksOf(table_.counter_count());
    RenewalHand& hand = version->hand;
    int64_t first = hand.place, end = hand.place;
    if (outline.end_counter > outline.first_counter) {
      first = outline.first_counter / block_bytes_;
      end = BlocksOf(outline.end_counter);
    }
    if (outline.end_block > outline.first_block) {
      end = counter_places + outline.end_block;
      if (outline.end_counter == outline.first_counter) {
        first = counter_places + outline.first_block;
      }
    }
    // A round is over only when all is renewed that older parts may be of.
    const auto over = [&] {
      const auto blocks = layout_.BlocksOf(fields_.parts[p - 1].capacity);
      return first == 0 &&
             hand.place >= counter_places + static_cast<int64_t>(blocks);
    };
    if (p > 0 && first != hand.place && !converted_ && !over()) {
      return Damaged("part ", p, " goes on at place ", first, " instead of ",
                     hand.place);
    }
    if (first < hand.place) ++hand.round;
    hand.place = end;
    auto part = std::make_shared<RowCutPart>();
    part->outline = outline;
    part->hand = hand;
    for (size_t i = 0; i < outline.checksums.size(); ++i) {
      const RowCutBlock& block = cut_.blocks[firsts_[p] + i];
      part->blocks.push_back({block.content_id, block.bytes});
    }
    int64_t place = outline.first_counter / block_bytes_;
    const int64_t counters = BlocksOf(internal::CounterBytes(outline));
    for (size_t i = part->blocks.size() - static_cast<size_t>(counters);
         i < part->blocks.size(); ++i) {
      part->blocks[i].place = place++;
    }
    version->parts.push_back(std::move(part));
    return absl::OkStatus();
  }

  // Reads the blocks [first, end) of the cut.
  BlockReader ReaderOf(size_t first, size_t end) const {
    std::vector<std::span<const std::byte>> spans;
    for (; first < end; ++first) {
      const RowCutBlock& block = cut_.blocks[first];
      spans.push_back(
          block.block.bytes().first(static_cast<size_t>(block.bytes)));
    }
    return BlockReader(std::move(spans));
  }

  absl::Status LoadPart(size_t p, RowCutPart* part) {
    const RowCutOutline& outline = fields_.parts[p];
    const size_t packed = firsts_[p] + static_cast<size_t>(outline.blocks);
    BlockReader read = ReaderOf(packed, firsts_[p] + outline.checksums.size());
    EBB_RETURN_IF_ERROR(LoadChanges(p, read, part));
    EBB_RETURN_IF_ERROR(LoadRun(p, read, part));
    const std::span<uint8_t> counters = std::span(counters_).subspan(
        static_cast<size_t>(outline.first_counter),
        static_cast<size_t>(outline.end_counter - outline.first_counter));
    if (!read.Get(std::as_writable_bytes(counters))) return Short(p);
    return absl::OkStatus();
  }

  absl::Status Short(size_t p) const {
    return Damaged("part ", p, " is cut short");
  }

  // Which rows of the run are live, and its blocks.
  absl::Status LoadRun(size_t p, BlockReader& read, RowCutPart* part) {
    const RowCutOutline& outline = fields_.parts[p];
    const auto [first, end] = internal::RowsOfRun(outline, layout_);
    for (int64_t b = outline.first_block; b < outline.end_block; ++b) {
      table_.blocks_[static_cast<size_t>(b)] = {};
      table_.block_bytes_[static_cast<size_t>(b)] = nullptr;
    }
    for (int64_t row = first; row < end; row += 64) {
      uint64_t bits = 0;
      if (!read.GetValue(&bits)) return Short(p);
      for (int64_t i = 0; i < 64; ++i, bits >>= 1) {
        const int64_t each = row + i;
        if (each >= end) {
          if (bits != 0)
            return Damaged("part ", p, " has rows beyond its last");
          break;
        }
        const auto number = static_cast<uint32_t>(each);
        const uint32_t b = layout_.BlockOf(number);
        // Later parts have what was dropped.
        if ((bits & 1) == 0 || b < outline.kept_block) {
          table_.live_.Remove(number);
          continue;
        }
        table_.live_.Add(number);
        ++table_.blocks_[b].rows;
      }
    }
    size_t next = firsts_[p];
    const size_t last = next + static_cast<size_t>(outline.blocks);
    for (int64_t b = outline.kept_block; b < outline.end_block; ++b) {
      Block& block = table_.blocks_[static_cast<size_t>(b)];
      if (block.rows == 0) continue;
      if (next == last) {
        return Damaged("part ", p, " has rows in a block that is missing");
      }
      part->blocks[next - firsts_[p]].place =
          BlocksOf(table_.counter_count()) + b;
      block.ref = std::move(cut_.blocks[next++].block);
      table_.block_bytes_[static_cast<size_t>(b)] = block.ref.bytes().data();
    }
    if (next != last) return Damaged("part ", p, " has a block without rows");
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

  // Rows and counters that changed.
  absl::Status LoadChanges(size_t p, BlockReader& read, RowCutPart* part) {
    const RowCutOutline& outline = fields_.parts[p];
    const auto bad_row = [&](uint32_t row) {
      return Damaged("part ", p, " has row ", row, " of ", outline.capacity);
    };
    const int64_t each = internal::ChangeBytes(layout_);
    const int64_t first = FirstRecord(outline);
    int64_t at = outline.dropped * block_bytes_;
    const auto packed = part->blocks.begin() + outline.blocks;
    // The rest of a row of which the beginning was dropped.
    std::vector<std::byte> rest(static_cast<size_t>(first * each - at));
    if (!read.Get(rest)) return Short(p);
    uint32_t row = 0;
    for (int64_t i = first; i < outline.records; ++i) {
      if (!read.GetValue(&row)) return Short(p);
      if (row >= outline.capacity) return bad_row(row);
      const RowLayout::Place place = layout_.PlaceOf(row);
      // Covers blocks that end within the row.
      for (; at + block_bytes_ <= (i + 1) * each; at += block_bytes_) {
        packed[at / block_bytes_ - outline.dropped].place =
            BlocksOf(table_.counter_count()) + place.block;
      }
      if (last_runs_[place.block] >= static_cast<int64_t>(p)) {
        // The run has it anew, and until then it would want a block.
        if (!read.Skip(layout_.record_bytes())) return Short(p);
        continue;
      }
      EBB_RETURN_IF_ERROR(MakeWritable(place.block));
      Block& block = table_.blocks_[place.block];
      if (!read.Get({block.writable + place.offset, layout_.record_bytes()})) {
        return Short(p);
      }
      if (table_.live_.Has(row)) continue;
      table_.live_.Add(row);
      ++block.rows;
    }
    for (int64_t i = 0; i < outline.removed; ++i) {
      if (!read.GetValue(&row)) return Short(p);
      if (row >= outline.capacity) return bad_row(row);
      if (!table_.live_.Has(row)) continue;
      table_.live_.Remove(row);
      --table_.blocks_[layout_.BlockOf(row)].rows;
    }
    for (int64_t i = 0; i < outline.changed_counters; ++i) {
      uint32_t entry = 0;
      if (!read.GetValue(&entry)) return Short(p);
      const uint32_t counter = entry >> internal::kCounterBits;
      if (counter >= counters_.size()) {
        return Damaged("part ", p, " has counter ", counter, " of ",
                       counters_.size());
      }
      counters_[counter] = static_cast<uint8_t>(entry);
    }
    return absl::OkStatus();
  }

  void LoadCounters() {
    if (static_cast<int64_t>(counters_.size()) != table_.counter_count()) {
      return;
    }
    for (size_t i = 0; i < counters_.size(); ++i) {
      table_.counters_[i] = counters_[i];
    }
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
  std::vector<size_t> firsts_;  // The first block of each part, in cut_.blocks.
  // For each block of rows: the last part whose run has it; -1: none.
  std::vector<int64_t> last_runs_;
  std::vector<uint8_t> counters_;
  bool converted_ = false;  // Not what is stored.
};

absl::StatusOr<std::unique_ptr<RowTable>> RowTable::FromCut(
    RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
    std::shared_ptr<BlockPool> pool, RowCut cut, bool stored) {
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<RowTable> table,
      Create(std::move(options), std::move(optimizer), std::move(pool)));
  EBB_ASSIGN_OR_RETURN(RowCutFields fields,
                       internal::DecodeRowCutHeader(
                           table->options_.table, table->layout_, cut.header));
  Loader loader(table.get(), std::move(fields), std::move(cut));
  EBB_RETURN_IF_ERROR(loader.Load(stored));
  return table;
}

}  // namespace ebb::server
