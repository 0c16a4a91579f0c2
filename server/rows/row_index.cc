#include "server/rows/row_index.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "common/status_macros.h"

namespace ebb::server {
namespace {

constexpr size_t kLeastStarts = 16;
// Beyond the last start. Runs of a table that is three quarters full are
// shorter all but never, and more is added where one is not.
constexpr size_t kTail = 32;

size_t StartsFor(size_t rows) { return rows + rows / 3 + 1; }

}  // namespace

RowIndex::RowIndex(BlockPool* pool) : pool_(pool) {
  Rebuild(kLeastStarts, /*on_heap=*/true).IgnoreError();  // Cannot fail there.
}

bool RowIndex::Small(size_t count) const {
  return pool_ == nullptr || static_cast<int64_t>(count * sizeof(Entry)) <=
                                 pool_->block_bytes() / 2;
}

size_t RowIndex::StartsToGrowTo(size_t rows) const {
  return std::max(StartsFor(rows), starts_ + starts_ / 2);
}

int64_t RowIndex::BlocksFor(size_t rows) const {
  if (StartsFor(rows) <= starts_) return blocks();
  const size_t count = StartsToGrowTo(rows) + kTail;
  return Small(count) ? 0 : BlockArray<Entry>::BlocksFor(*pool_, count);
}

absl::StatusOr<BlockArray<RowIndex::Entry>> RowIndex::Entries(
    size_t count, bool on_heap) const {
  if (on_heap || Small(count)) {
    return BlockArray<Entry>::OnHeap(count, Entry{});
  }
  return BlockArray<Entry>::Make(pool_, count, Entry{});
}

absl::StatusOr<RowIndex> RowIndex::Copy() const {
  RowIndex copy(pool_);
  EBB_ASSIGN_OR_RETURN(copy.entries_,
                       Entries(entries_.size(), /*on_heap=*/false));
  for (size_t i = 0; i < entries_.size(); ++i) copy.entries_[i] = entries_[i];
  copy.starts_ = starts_;
  copy.size_ = size_;
  return copy;
}

absl::Status RowIndex::Rebuild(size_t starts, bool on_heap) {
  EBB_ASSIGN_OR_RETURN(BlockArray<Entry> entries,
                       Entries(starts + kTail, on_heap));
  const BlockArray<Entry> old = std::exchange(entries_, std::move(entries));
  starts_ = starts;
  // Ascending hashes have ascending places: one pass over both.
  size_t next = 0;
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i].row == kNoRow) continue;
    next = std::max(next, StartOf(old[i].hash));
    // The last stays empty.
    if (next + 1 >= entries_.size()) Enlarge();
    entries_[next++] = old[i];
  }
  return absl::OkStatus();
}

void RowIndex::Enlarge() {
  const size_t size = entries_.size() + kTail;
  auto larger = Entries(size, /*on_heap=*/false);
  if (!larger.ok()) larger = BlockArray<Entry>::OnHeap(size, Entry{});
  for (size_t i = 0; i < entries_.size(); ++i) (*larger)[i] = entries_[i];
  entries_ = *std::move(larger);
}

absl::Status RowIndex::Reserve(size_t rows) {
  if (StartsFor(rows) <= starts_) return absl::OkStatus();
  return Rebuild(StartsToGrowTo(rows), /*on_heap=*/false);
}

void RowIndex::Insert(uint32_t hash, uint32_t row) {
  if (!Reserve(size_ + 1).ok()) {
    Rebuild(StartsToGrowTo(size_ + 1), /*on_heap=*/true).IgnoreError();
  }
  size_t at = StartOf(hash);
  while (entries_[at].row != kNoRow && entries_[at].hash <= hash) ++at;
  size_t end = at;
  while (entries_[end].row != kNoRow) ++end;
  if (end + 1 == entries_.size()) Enlarge();
  for (; end > at; --end) entries_[end] = entries_[end - 1];
  entries_[at] = {hash, row};
  ++size_;
}

void RowIndex::Erase(uint32_t hash, uint32_t row) {
  size_t at = Find(hash);
  while (Has(at, hash) && entries_[at].row != row) ++at;
  CHECK(Has(at, hash)) << "row " << row << " is not in the index";
  // Whoever was pushed on comes one place back.
  for (++at; entries_[at].row != kNoRow && StartOf(entries_[at].hash) < at;
       ++at) {
    entries_[at - 1] = entries_[at];
  }
  entries_[at - 1] = Entry{};
  --size_;
}

}  // namespace ebb::server
