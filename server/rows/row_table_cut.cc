// Cuts of a RowTable.
#include <glog/logging.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_packing.h"
#include "server/rows/row_table.h"

namespace ebb::server {

using internal::BlockWriter;
using internal::RenewalHand;
using internal::RowCutFields;
using internal::RowCutOutline;
using internal::RowCutPart;
using internal::RowCutParts;
using internal::RowCutState;
using internal::RowPacking;
using internal::RowVersion;

namespace {

// Beside what all rows take a version has at most half of that.
constexpr int64_t kRowsPerRest = 2;
// What changed is in one part, unless it is a quarter of all rows: it is packed
// into memory of its own, and all rows are little more.
constexpr int64_t kRowsPerChanges = 4;

// For four bytes that changed five are renewed at least: where it lies strewn
// over all rows, what changed is needed for half a round on the average, so
// this makes two fifths of all rows.
constexpr double kLeastPace = 1.25;
// Where all that changes in a round is needed until its end, 16 / 7 will do.
constexpr double kMostPace = 2.5;
// The pace is such that a version is not larger than so many 16ths of all rows,
// less a block, as the hand goes place by place.
constexpr int64_t kUsualSixteenths = 23;
// But all at least in so many versions, so that there are not many more parts.
constexpr int64_t kMostVersionsARound = 80;
constexpr size_t kMostParts = 200;

int64_t PackedBytes(const RowCutOutline& outline, const RowLayout& layout) {
  return internal::ChangesBytes(outline, layout) +
         internal::BitmapBytes(outline, layout);
}

// The 64 bits from `at` on.
uint64_t BitsAt(std::span<const uint64_t> words, size_t at) {
  const size_t word = at / 64, shift = at % 64;
  uint64_t bits = words[word] >> shift;
  if (shift > 0 && word + 1 < words.size()) {
    bits |= words[word + 1] << (64 - shift);
  }
  return bits;
}

// Drops those of the `count` blocks from `first` on that are in later parts, up
// to one that is not; returns how many.
int64_t DropRenewed(size_t first, size_t count, const RenewalHand& now,
                    RowCutPart* part) {
  const auto begin = part->blocks.begin() + static_cast<ptrdiff_t>(first);
  const auto kept =
      std::find_if(begin, begin + static_cast<ptrdiff_t>(count),
                   [&](const RowCutPart::Block& block) {
                     return !internal::Renewed(block.place, part->hand, now);
                   });
  const auto dropped = kept - begin;
  const auto checksums =
      part->outline.checksums.begin() + static_cast<ptrdiff_t>(first);
  part->outline.checksums.erase(checksums, checksums + dropped);
  part->blocks.erase(begin, kept);
  return dropped;
}

}  // namespace

class RowTable::CutMaker {
 public:
  explicit CutMaker(RowTable* table)
      : table_(*table),
        layout_(table->layout_),
        block_bytes_(table->pool_->block_bytes()),
        counter_places_(BlocksOf(table->counter_count())),
        places_(counter_places_ + static_cast<int64_t>(table->blocks_.size())) {
  }

  static absl::Status CheckNoUpdate(const RowTable& table) {
    if (table.open_.expired()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "table '", table.options_.table,
        "': a cut while a push is being applied; wait for its commit"));
  }

  // All rows are in one part.
  absl::StatusOr<RowCut> Whole() {
    RowCutOutline outline = {.capacity = table_.capacity_};
    SetRun(0, places_, &outline);
    version_ = std::make_shared<RowVersion>();
    version_->hand.place = places_;
    return Cut(std::move(outline));
  }

  // Makes a cut that goes on from the stored version, if possible.
  absl::StatusOr<RowCut> Next() {
    if (!table_.stored_) return Whole();
    RowCutOutline outline = Changes();
    const int64_t changed = internal::ChangesBytes(outline, layout_);
    if (changed == 0) return Same();
    const int64_t all = BytesOfAll();
    if (changed * kRowsPerChanges > all) return Whole();

    version_ = std::make_shared<RowVersion>();
    version_->hand = table_.stored_->hand;
    version_->due = table_.stored_->due;
    const auto due =
        static_cast<int64_t>(static_cast<double>(changed) * Pace(changed, all));
    Renew(std::max(due, all / kMostVersionsARound), &outline);

    int64_t bytes = changed + BytesOfRun(outline);
    int64_t blocks = BlocksOf(outline);
    for (const auto& part : table_.stored_->parts) {
      if (auto rest = RestOf(part)) {
        bytes += rest->Bytes();
        blocks += static_cast<int64_t>(rest->blocks.size());
        version_->parts.push_back(std::move(rest));
      }
    }
    // Each part ends within a block or two. In a table of few blocks these are
    // sooner or later more than the room promised for a load.
    if ((bytes - all) * kRowsPerRest > all || blocks > table_.room_.count() ||
        version_->parts.size() >= kMostParts) {
      return Whole();
    }
    return Cut(std::move(outline));
  }

  const std::shared_ptr<RowVersion>& version() const { return version_; }

 private:
  int64_t BlocksOf(int64_t bytes) const {
    return (bytes + block_bytes_ - 1) / block_bytes_;
  }

  // Those of a new part.
  int64_t BlocksOf(const RowCutOutline& outline) const {
    return outline.blocks + BlocksOf(PackedBytes(outline, layout_)) +
           BlocksOf(internal::CounterBytes(outline));
  }

  RowCutOutline Changes() const {
    RowCutOutline outline = {.capacity = table_.capacity_};
    for (size_t i = 0; i < table_.changed_.words().size(); ++i) {
      const uint64_t changed = table_.changed_.words()[i];
      const uint64_t live = table_.live_.words()[i];
      outline.records += std::popcount(changed & live);
      outline.removed += std::popcount(changed & ~live);
    }
    outline.changed_counters = table_.changed_counters_.Count();
    return outline;
  }

  // --- The base, place by place ---------------------------------------------

  const Block& RowsAt(int64_t place) const {
    return table_.blocks_[static_cast<size_t>(place - counter_places_)];
  }
  // But for its bits.
  int64_t BytesAt(int64_t place) const {
    if (place < counter_places_) {
      return std::min(block_bytes_,
                      table_.counter_count() - place * block_bytes_);
    }
    return RowsAt(place).ref ? static_cast<int64_t>(layout_.used_bytes()) : 0;
  }
  int64_t BytesOfAll() const {
    RowCutOutline outline = {.capacity = table_.capacity_};
    SetRun(0, places_, &outline);
    return BytesOfRun(outline);
  }

  // The run of the part is the places [first, end).
  void SetRun(int64_t first, int64_t end, RowCutOutline* outline) const {
    const auto counters = [&](int64_t place) {
      return std::min(place * block_bytes_, table_.counter_count());
    };
    outline->first_counter = counters(first);
    outline->end_counter = counters(end);
    outline->first_block = std::max<int64_t>(first - counter_places_, 0);
    outline->end_block = std::max<int64_t>(end - counter_places_, 0);
    outline->kept_block = outline->first_block;
    for (int64_t place = std::max(first, counter_places_); place < end;
         ++place) {
      if (RowsAt(place).ref) ++outline->blocks;
    }
  }
  int64_t BytesOfRun(const RowCutOutline& outline) const {
    return outline.blocks * static_cast<int64_t>(layout_.used_bytes()) +
           internal::BitmapBytes(outline, layout_) +
           internal::CounterBytes(outline);
  }

  // What the hand frees of the stored version as it passes a place next, but
  // for what it writes there; and how many rows of those that changed lie
  // there.
  struct Passed {
    int64_t freed = 0;
    int64_t rows = 0;
  };
  // In the order in which it passes all of them.
  std::vector<Passed> PassedNext() const {
    std::vector<Passed> passed(static_cast<size_t>(places_));
    const int64_t first = NextPlace();
    const auto at = [&](int64_t place) -> Passed& {
      place -= first;
      return passed[static_cast<size_t>(place < 0 ? place + places_ : place)];
    };
    for (int64_t place = 0; place < places_; ++place) {
      at(place).freed -= BytesAt(place);
    }
    for (const auto& part : table_.stored_->parts) {
      const Extents extents = ExtentsOf(*part);
      for (size_t i = 0; i < part->blocks.size(); ++i) {
        const RowCutPart::Block& block = part->blocks[i];
        // Else it is needed for the whole round.
        const bool placed =
            i < extents.changes + extents.full_changes || i >= extents.counters;
        const int64_t place =
            placed ? block.place : std::max<int64_t>(part->hand.place - 1, 0);
        at(place).freed += block.bytes;
      }
    }
    for (size_t i = 0; i < table_.changed_.words().size(); ++i) {
      uint64_t rows = table_.changed_.words()[i] & table_.live_.words()[i];
      for (; rows != 0; rows &= rows - 1) {
        const auto row = static_cast<uint32_t>(i * 64) +
                         static_cast<uint32_t>(std::countr_zero(rows));
        ++at(counter_places_ + layout_.BlockOf(row)).rows;
      }
    }
    return passed;
  }

  // How many bytes are to be renewed for each that changed, so that versions do
  // not become too large within a round, should each change as much, and in the
  // same places. Where that is strewn over all rows the least will do; where it
  // lies together all of it is needed until the hand comes by there.
  double Pace(int64_t changed, int64_t all) const {
    int64_t room = all * kUsualSixteenths / 16 - block_bytes_ - changed;
    for (const auto& part : table_.stored_->parts) room -= part->Bytes();
    const std::vector<Passed> next = PassedNext();
    int64_t records = 0;
    for (const Passed& place : next) records += place.rows;
    const int64_t full =
        records * internal::ChangeBytes(layout_) / block_bytes_ * block_bytes_;
    // Share of the changes in a version, for each row.
    const double share = records == 0 ? 0
                                      : static_cast<double>(full) /
                                            static_cast<double>(records) /
                                            static_cast<double>(changed);
    double pace = kLeastPace;
    // Since now: bytes that were renewed; the share of what changes that lies
    // in the places passed; and its integral over those bytes.
    double renewed = 0, passed = 0, integral = 0;
    int64_t place = NextPlace();
    for (const Passed& each : next) {
      const auto bytes = static_cast<double>(BytesAt(place));
      renewed += bytes;
      integral += passed * bytes;
      // At a pace of 1 so much changes until then, and is still needed.
      const double needed = renewed * (1 - passed) + integral;
      if (needed >= kMostPace * static_cast<double>(room)) return kMostPace;
      pace = std::max(pace, needed / static_cast<double>(room));
      passed += share * static_cast<double>(each.rows);
      room += each.freed;
      if (++place == places_) place = 0;
    }
    return pace;
  }

  // Where the next run begins. In places that there were not when the newest
  // part was taken no part has anything: they need not be passed before a round
  // is over, which would never be while rows come.
  int64_t NextPlace() const {
    const RowCutPart& newest = *table_.stored_->parts.back();
    const int64_t before =
        counter_places_ +
        static_cast<int64_t>(layout_.BlocksOf(newest.outline.capacity));
    return version_->hand.place < before ? version_->hand.place : 0;
  }

  // The hand goes on by as many bytes, and what was due before.
  void Renew(int64_t bytes, RowCutOutline* outline) {
    RenewalHand& hand = version_->hand;
    int64_t& due = version_->due;
    due += bytes;
    const int64_t first = NextPlace();
    int64_t end = first;
    for (; end < places_; ++end) {
      const int64_t cost = BytesAt(end);
      if (cost > due) break;
      due -= cost;
    }
    if (end == places_) due = 0;  // Not in the next version beside its own.
    // A new round begins with the run that it writes: a reader of the version
    // sees that it began. Until then the round before may have more places.
    if (end == first) return;
    if (first < hand.place) ++hand.round;
    hand.place = end;
    SetRun(first, end, outline);
  }

  // Where in the blocks of a part its sections begin, and how many changes have
  // only rows.
  struct Extents {
    size_t changes = 0;
    size_t full_changes = 0;
    size_t counters = 0;
  };
  Extents ExtentsOf(const RowCutPart& part) const {
    const RowCutOutline& outline = part.outline;
    return {
        .changes = static_cast<size_t>(outline.blocks),
        .full_changes = static_cast<size_t>(
            outline.records * internal::ChangeBytes(layout_) / block_bytes_ -
            outline.dropped),
        .counters = part.blocks.size() - static_cast<size_t>(BlocksOf(
                                             internal::CounterBytes(outline)))};
  }

  // What is needed of an older part; null: nothing.
  std::shared_ptr<RowCutPart> RestOf(
      const std::shared_ptr<RowCutPart>& part) const {
    const RenewalHand& now = version_->hand;
    if (internal::AllRenewed(part->hand, now)) return nullptr;
    auto rest = std::make_shared<RowCutPart>(*part);
    RowCutOutline& outline = rest->outline;
    const Extents extents = ExtentsOf(*part);
    // From the last on, so that the others stay where they are.
    int64_t dropped =
        DropRenewed(extents.counters, part->blocks.size() - extents.counters,
                    now, rest.get());
    outline.first_counter = std::min(
        outline.first_counter + dropped * block_bytes_, outline.end_counter);
    const int64_t changed =
        DropRenewed(extents.changes, extents.full_changes, now, rest.get());
    outline.dropped += changed;
    dropped += changed;
    const int64_t renewed_rows =
        DropRenewed(0, extents.changes, now, rest.get());
    if (renewed_rows > 0) {
      outline.blocks -= renewed_rows;
      outline.kept_block = outline.blocks > 0
                               ? rest->blocks[0].place - counter_places_
                               : outline.end_block;
      dropped += renewed_rows;
    }
    return dropped > 0 ? rest : part;
  }

  // --- The cut ---------------------------------------------------------------

  RowCutFields Fields() const {
    RowCutFields fields;
    fields.table = table_.options_.table;
    fields.width = layout_.width();
    fields.slots = layout_.slots();
    fields.block_bytes = static_cast<uint64_t>(block_bytes_);
    fields.unit_examples = table_.ages_.unit_examples();
    fields.now = table_.now_;
    fields.rows = table_.physical_rows();
    fields.sweep_hand = table_.sweep_hand_;
    fields.pushes = table_.pushes_;
    fields.created = table_.totals_.created;
    fields.expired = table_.totals_.expired;
    fields.evicted = table_.totals_.evicted;
    fields.not_admitted = table_.totals_.not_admitted;
    return fields;
  }

  // The version's parts, which are stored.
  RowCut Stored() const {
    RowCut cut;
    for (const auto& part : version_->parts) {
      for (const RowCutPart::Block& block : part->blocks) {
        cut.blocks.push_back({block.content_id, block.bytes, BlockRef()});
      }
    }
    cut.state = std::make_shared<RowCutState>();
    cut.state->fields = Fields();
    cut.state->parts = version_->parts;
    return cut;
  }

  RowCut Same() {
    version_ = std::make_shared<RowVersion>(*table_.stored_);
    return Stored();
  }

  // The version's parts and a new one.
  absl::StatusOr<RowCut> Cut(RowCutOutline outline) {
    const int64_t packed = PackedBytes(outline, layout_);
    EBB_ASSIGN_OR_RETURN(std::vector<BlockRef> blocks,
                         table_.pool_->AllocateMany(BlocksOf(packed)));
    EBB_ASSIGN_OR_RETURN(
        std::vector<BlockRef> counters,
        table_.pool_->AllocateMany(BlocksOf(internal::CounterBytes(outline))));
    RowCut cut = Stored();
    auto part = std::make_shared<RowCutPart>();
    part->outline = std::move(outline);
    part->hand = version_->hand;
    AddRows(part.get(), &cut);
    const std::vector<uint32_t> rows = Pack(part->outline, blocks, &cut);
    const size_t first = part->blocks.size();
    AddPacked(std::move(blocks), packed, part.get(), &cut);
    SetPlaces(rows, std::span(part->blocks).subspan(first));
    PackCounters(std::move(counters), part.get(), &cut);
    cut.state->parts.push_back(part);
    version_->parts.push_back(std::move(part));
    return cut;
  }

  // The run's blocks of rows.
  void AddRows(RowCutPart* part, RowCut* cut) {
    const auto used = static_cast<int64_t>(layout_.used_bytes());
    const auto more = static_cast<size_t>(part->outline.blocks);
    part->blocks.reserve(more);
    cut->blocks.reserve(cut->blocks.size() + more);
    for (int64_t b = part->outline.first_block; b < part->outline.end_block;
         ++b) {
      Block& block = table_.blocks_[static_cast<size_t>(b)];
      if (!block.ref) continue;
      block.writable = nullptr;  // As in ShareBlocks.
      const uint64_t id = block.ref.content_id();
      part->blocks.push_back({id, used, counter_places_ + b});
      cut->blocks.push_back({id, used, block.ref});
    }
  }

  // `bytes` of the blocks, full ones first.
  static void AddPacked(std::vector<BlockRef> blocks, int64_t bytes,
                        RowCutPart* part, RowCut* cut) {
    for (BlockRef& block : blocks) {
      const auto size = std::min(bytes, static_cast<int64_t>(block.size()));
      bytes -= size;
      part->blocks.push_back({block.content_id(), size});
      cut->blocks.push_back({block.content_id(), size, std::move(block)});
    }
  }

  // All but the rows that changed, which are packed as the cut is sealed.
  // Returns them, in their order.
  std::vector<uint32_t> Pack(const RowCutOutline& outline,
                             std::vector<BlockRef>& blocks, RowCut* cut) {
    std::vector<uint32_t> rows, removed;
    BlockWriter write(blocks);
    if (outline.records + outline.removed > 0) {
      rows.reserve(static_cast<size_t>(outline.records));
      removed.reserve(static_cast<size_t>(outline.removed));
      table_.changed_.ForEach([&](uint32_t row) {
        (table_.live_.Has(row) ? rows : removed).push_back(row);
      });
      // As the hand comes by.
      const int64_t next =
          std::max<int64_t>(version_->hand.place - counter_places_, 0) *
          layout_.rows_per_block();
      std::rotate(rows.begin(), std::ranges::lower_bound(rows, next),
                  rows.end());
    }
    write.Seek(rows.size() *
               static_cast<size_t>(internal::ChangeBytes(layout_)));
    write.Put(std::as_bytes(std::span(removed)));
    if (outline.changed_counters > 0) {
      table_.changed_counters_.ForEach([&](uint32_t counter) {
        write.PutValue(counter << internal::kCounterBits |
                       table_.counters_[counter]);
      });
    }
    const auto [first, end] = internal::RowsOfRun(outline, layout_);
    for (int64_t row = first; row < end; row += 64) {
      uint64_t bits = BitsAt(table_.live_.words(), static_cast<size_t>(row));
      if (end - row < 64) bits &= ~uint64_t{0} >> (64 - (end - row));
      write.PutValue(bits);
    }
    if (!rows.empty()) {
      table_.packing_ = std::make_shared<RowPacking>(
          layout_, rows, &table_.block_bytes_, blocks, std::move(write));
      cut->state->packing = table_.packing_;
    }
    return rows;
  }

  // Sets the places until which packed blocks are needed.
  void SetPlaces(std::span<const uint32_t> rows,
                 std::span<RowCutPart::Block> blocks) const {
    const int64_t each = internal::ChangeBytes(layout_);
    const int64_t bytes = static_cast<int64_t>(rows.size()) * each;
    for (int64_t end = block_bytes_; end <= bytes; end += block_bytes_) {
      const uint32_t last = rows[static_cast<size_t>((end - 1) / each)];
      blocks[static_cast<size_t>(end / block_bytes_ - 1)].place =
          counter_places_ + layout_.BlockOf(last);
    }
  }

  void PackCounters(std::vector<BlockRef> blocks, RowCutPart* part,
                    RowCut* cut) {
    const RowCutOutline& outline = part->outline;
    const int64_t bytes = internal::CounterBytes(outline);
    BlockWriter write(blocks);
    table_.counters_.ForEachRun(
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
    int64_t place = outline.first_counter / block_bytes_;
    for (size_t i = first; i < part->blocks.size(); ++i) {
      part->blocks[i].place = place++;
    }
  }

  RowTable& table_;
  const RowLayout& layout_;
  const int64_t block_bytes_;
  const int64_t counter_places_;
  const int64_t places_;
  std::shared_ptr<RowVersion> version_;
};

absl::StatusOr<RowCut> RowTable::TakeCut() {
  EBB_RETURN_IF_ERROR(CutMaker::CheckNoUpdate(*this));
  if (pending_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "table '", options_.table,
        "': a cut while the one before is being written; wait for its end"));
  }
  CutMaker maker(this);
  EBB_ASSIGN_OR_RETURN(RowCut cut, maker.Next());
  cut.token = ++last_token_;
  pending_ =
      PendingCut{cut.token, maker.version(), changed_, changed_counters_};
  changed_.Clear();
  changed_counters_.Clear();
  return cut;
}

absl::StatusOr<RowCut> RowTable::TakeWholeCut() {
  EBB_RETURN_IF_ERROR(CutMaker::CheckNoUpdate(*this));
  return CutMaker(this).Whole();
}

void RowTable::Written(uint64_t token) {
  if (!pending_ || pending_->token != token) return;
  for (const auto& part : pending_->version->parts) {
    CHECK_EQ(part->outline.checksums.size(), part->blocks.size())
        << "a cut was stored without its header: call Seal()";
  }
  stored_ = std::move(pending_->version);
  pending_.reset();
  EndPacking();
}

void RowTable::MergeBack(uint64_t token) {
  if (!pending_ || pending_->token != token) return;
  changed_.AddAll(pending_->changed);
  changed_counters_.AddAll(pending_->changed_counters);
  pending_.reset();
  EndPacking();
}

void RowTable::ForgetStored() {
  stored_.reset();
  pending_.reset();
  EndPacking();
}

void RowTable::EndPacking() {
  if (packing_ == nullptr) return;
  // Another thread may still have the cut, and seal it.
  if (packing_.use_count() > 1) packing_->Finish();
  packing_.reset();
}

}  // namespace ebb::server
