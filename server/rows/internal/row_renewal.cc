#include "server/rows/internal/row_renewal.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "server/rows/internal/renewal_hand.h"
#include "server/rows/row_set.h"

namespace ebb::server::internal {
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
// Drops those of the `count` blocks from `first` on that are in later parts, up
// to one that is not; returns how many.
int64_t DropRenewed(size_t first, size_t count, const RenewalHand& now,
                    RowCutPart* part) {
  const auto begin = part->blocks.begin() + static_cast<ptrdiff_t>(first);
  const auto kept =
      std::find_if(begin, begin + static_cast<ptrdiff_t>(count),
                   [&](const RowCutPart::Block& block) {
                     return !Renewed(block.place, part->hand, now);
                   });
  const auto dropped = kept - begin;
  const auto checksums =
      part->outline.checksums.begin() + static_cast<ptrdiff_t>(first);
  part->outline.checksums.erase(checksums, checksums + dropped);
  part->blocks.erase(begin, kept);
  return dropped;
}

}  // namespace

NextVersion RowRenewal::Whole() const {
  NextVersion next;
  next.outline = base_.All();
  next.version = std::make_shared<RowVersion>();
  next.version->hand.place = base_.places();
  return next;
}

NextVersion RowRenewal::Next() {
  const std::shared_ptr<const RowVersion>& stored = versions_.stored();
  if (!stored) return Whole();
  RowCutOutline outline = Changes();
  const int64_t changed = ChangesBytes(outline, rows_.layout());
  if (changed == 0) {
    return {.version = std::make_shared<RowVersion>(*stored), .same = true};
  }
  const int64_t all = base_.BytesOfAll();
  if (changed * kRowsPerChanges > all) return Whole();

  version_ = std::make_shared<RowVersion>();
  version_->hand = stored->hand;
  version_->due = stored->due;
  const auto due =
      static_cast<int64_t>(static_cast<double>(changed) * Pace(changed, all));
  Renew(std::max(due, all / kMostVersionsARound), &outline);

  int64_t bytes = changed + base_.BytesOfRun(outline);
  int64_t blocks = base_.BlocksOf(outline);
  for (const auto& part : stored->parts) {
    if (auto rest = RestOf(part)) {
      bytes += rest->Bytes();
      blocks += static_cast<int64_t>(rest->blocks.size());
      version_->parts.push_back(std::move(rest));
    }
  }
  // Each part ends within a block or two. In a table of few blocks these are
  // sooner or later more than the room promised for a load.
  if ((bytes - all) * kRowsPerRest > all || blocks > rows_.promised_blocks() ||
      version_->parts.size() >= kMostParts) {
    return Whole();
  }
  return {.version = std::move(version_), .outline = std::move(outline)};
}

RowCutOutline RowRenewal::Changes() const {
  RowCutOutline outline = {.capacity = rows_.numbers().capacity()};
  const std::span<const uint64_t> changed = versions_.changes().rows.words();
  const std::span<const uint64_t> live = rows_.numbers().live().words();
  for (size_t i = 0; i < changed.size(); ++i) {
    outline.records += std::popcount(changed[i] & live[i]);
    outline.removed += std::popcount(changed[i] & ~live[i]);
  }
  outline.changed_counters = versions_.changes().counters.Count();
  return outline;
}

std::vector<RowRenewal::Passed> RowRenewal::PassedNext() const {
  std::vector<Passed> passed(static_cast<size_t>(base_.places()));
  const int64_t first = NextPlace();
  const auto at = [&](int64_t place) -> Passed& {
    place -= first;
    return passed[static_cast<size_t>(place < 0 ? place + base_.places()
                                                : place)];
  };
  for (int64_t place = 0; place < base_.places(); ++place) {
    at(place).freed -= base_.BytesAt(place);
  }
  for (const auto& part : versions_.stored()->parts) {
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
  const RowSet& live = rows_.numbers().live();
  versions_.changes().rows.ForEach([&](uint32_t row) {
    if (!live.Has(row)) return;
    ++at(base_.PlaceOf(rows_.layout().BlockOf(row))).rows;
  });
  return passed;
}

// How many bytes are to be renewed for each that changed, so that versions do
// not become too large within a round, should each change as much, and in the
// same places. Where that is strewn over all rows the least will do; where it
// lies together all of it is needed until the hand comes by there.
double RowRenewal::Pace(int64_t changed, int64_t all) const {
  int64_t room = all * kUsualSixteenths / 16 - block_bytes_ - changed;
  for (const auto& part : versions_.stored()->parts) room -= part->Bytes();
  const std::vector<Passed> next = PassedNext();
  int64_t records = 0;
  for (const Passed& place : next) records += place.rows;
  const int64_t full =
      records * ChangeBytes(rows_.layout()) / block_bytes_ * block_bytes_;
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
    const auto bytes = static_cast<double>(base_.BytesAt(place));
    renewed += bytes;
    integral += passed * bytes;
    // At a pace of 1 so much changes until then, and is still needed.
    const double needed = renewed * (1 - passed) + integral;
    if (needed >= kMostPace * static_cast<double>(room)) return kMostPace;
    pace = std::max(pace, needed / static_cast<double>(room));
    passed += share * static_cast<double>(each.rows);
    room += each.freed;
    if (++place == base_.places()) place = 0;
  }
  return pace;
}

// Returns where the next run begins. In places that there were not when the
// newest part was taken no part has anything. They need not be passed before a
// round is over; that would never be while rows come.
int64_t RowRenewal::NextPlace() const {
  const RowCutPart& newest = *versions_.stored()->parts.back();
  const int64_t before = base_.PlaceOf(
      static_cast<int64_t>(rows_.layout().BlocksOf(newest.outline.capacity)));
  return version_->hand.place < before ? version_->hand.place : 0;
}

// The hand goes on by as many bytes, and what was due before.
void RowRenewal::Renew(int64_t bytes, RowCutOutline* outline) {
  RenewalHand& hand = version_->hand;
  int64_t& due = version_->due;
  due += bytes;
  const int64_t first = NextPlace();
  int64_t end = first;
  for (; end < base_.places(); ++end) {
    const int64_t cost = base_.BytesAt(end);
    if (cost > due) break;
    due -= cost;
  }
  // Not in the next version beside its own.
  if (end == base_.places()) due = 0;
  // A new round begins with the run that it writes: a reader of the version
  // sees that it began. Until then the round before may have more places.
  if (end == first) return;
  if (first < hand.place) ++hand.round;
  hand.place = end;
  base_.SetRun(first, end, outline);
}

RowRenewal::Extents RowRenewal::ExtentsOf(const RowCutPart& part) const {
  const RowCutOutline& outline = part.outline;
  return {.changes = static_cast<size_t>(outline.blocks),
          .full_changes = static_cast<size_t>(
              outline.records * ChangeBytes(rows_.layout()) / block_bytes_ -
              outline.dropped),
          .counters = part.blocks.size() - static_cast<size_t>(base_.BlocksFor(
                                               CounterBytes(outline)))};
}

std::shared_ptr<RowCutPart> RowRenewal::RestOf(
    const std::shared_ptr<RowCutPart>& part) const {
  const RenewalHand& now = version_->hand;
  if (AllRenewed(part->hand, now)) return nullptr;
  auto rest = std::make_shared<RowCutPart>(*part);
  RowCutOutline& outline = rest->outline;
  const Extents extents = ExtentsOf(*part);
  // From the last on, so that the others stay where they are.
  int64_t dropped =
      DropRenewed(extents.counters, part->blocks.size() - extents.counters, now,
                  rest.get());
  outline.first_counter = std::min(
      outline.first_counter + dropped * block_bytes_, outline.end_counter);
  const int64_t changed =
      DropRenewed(extents.changes, extents.full_changes, now, rest.get());
  outline.dropped += changed;
  dropped += changed;
  const int64_t renewed_rows = DropRenewed(0, extents.changes, now, rest.get());
  if (renewed_rows > 0) {
    outline.blocks -= renewed_rows;
    outline.kept_block = outline.blocks > 0
                             ? rest->blocks[0].place - base_.counter_places()
                             : outline.end_block;
    dropped += renewed_rows;
  }
  return dropped > 0 ? rest : part;
}

}  // namespace ebb::server::internal
