#include "server/rows/row_index.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace ebb::server {
namespace {

constexpr size_t kLeastStarts = 16;
// Beyond the last start. Runs of a table that is three quarters full are
// shorter all but never, and more is added where one is not.
constexpr size_t kTail = 32;

size_t StartsFor(size_t rows) { return rows + rows / 3 + 1; }

}  // namespace

RowIndex::RowIndex() { Rebuild(kLeastStarts); }

void RowIndex::Rebuild(size_t starts) {
  std::vector<Entry> old = std::move(entries_);
  entries_ = std::vector<Entry>(starts + kTail);
  starts_ = starts;
  // Ascending hashes have ascending places: one pass over both.
  size_t next = 0;
  for (const Entry& entry : old) {
    if (entry.row == kNoRow) continue;
    next = std::max(next, StartOf(entry.hash));
    // The last stays empty.
    if (next + 1 >= entries_.size()) entries_.resize(next + 1 + kTail);
    entries_[next++] = entry;
  }
}

// At least half as many more, where there are too few.
size_t RowIndex::StartsWith(size_t rows) const {
  const size_t starts = StartsFor(rows);
  return starts <= starts_ ? starts_ : std::max(starts, starts_ + starts_ / 2);
}

void RowIndex::Reserve(size_t rows) {
  if (const size_t starts = StartsWith(rows); starts > starts_) Rebuild(starts);
}

size_t RowIndex::BytesFor(size_t rows) const {
  const size_t starts = StartsWith(rows);
  return starts > starts_ ? (starts + kTail) * sizeof(Entry) : bytes();
}

void RowIndex::Insert(uint32_t hash, uint32_t row) {
  Reserve(size_ + 1);
  size_t at = StartOf(hash);
  while (entries_[at].row != kNoRow && entries_[at].hash <= hash) ++at;
  size_t end = at;
  while (entries_[end].row != kNoRow) ++end;
  if (end + 1 == entries_.size()) {
    entries_.reserve(entries_.size() + kTail);
    entries_.resize(entries_.size() + kTail);
  }
  std::move_backward(entries_.begin() + static_cast<std::ptrdiff_t>(at),
                     entries_.begin() + static_cast<std::ptrdiff_t>(end),
                     entries_.begin() + static_cast<std::ptrdiff_t>(end) + 1);
  entries_[at] = {hash, row};
  ++size_;
}

void RowIndex::Erase(uint32_t hash, uint32_t row) {
  size_t at = Find(hash);
  while (Has(at, hash) && entries_[at].row != row) ++at;
  CHECK(Has(at, hash)) << "row " << row << " is not in the index";
  // Entries that were pushed on come one place back.
  for (++at; entries_[at].row != kNoRow && StartOf(entries_[at].hash) < at;
       ++at) {
    entries_[at - 1] = entries_[at];
  }
  entries_[at - 1] = Entry{};
  --size_;
}

}  // namespace ebb::server
