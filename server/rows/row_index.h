// Finds the rows of a sparse table by the hash of their key.
#ifndef EBB_SERVER_ROWS_ROW_INDEX_H_
#define EBB_SERVER_ROWS_ROW_INDEX_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/example_hash.h"
#include "server/memory/block_array.h"
#include "server/memory/block_pool.h"

namespace ebb::server {

// An open-addressing table of (hash of 32 bits, row number), at most three
// quarters full. Keys are not in it: they stand in the rows, where whoever
// looks a key up goes anyway, and two keys in 2^32 share a hash. So a look-up
// goes through the rows of a hash:
//
//   const uint32_t hash = RowIndex::HashOf(key);
//   for (size_t at = index.Find(hash); index.Has(at, hash); ++at) {
//     if (KeyOfRow(index.RowAt(at)) == key) return index.RowAt(at);
//   }
//
// Linear probing with entries in the order of their hashes (Amble, Knuth 1974,
// "Ordered hash tables"), which are also the order of their places: a look-up
// that finds nothing ends early, growing is one pass over both tables, and
// removing leaves no tombstones. Eight bytes per entry; 10.7 to 16 per row, in
// blocks of the pool once they are more than half of one.
//
// Thread-compatible.
class RowIndex {
 public:
  // All of it on the heap.
  RowIndex() : RowIndex(nullptr) {}
  // `pool` is not owned, and outlives all changes.
  explicit RowIndex(BlockPool* pool);
  RowIndex(RowIndex&&) noexcept = default;
  RowIndex& operator=(RowIndex&&) noexcept = default;

  // Another one with the same rows, and the same room. ResourceExhausted.
  absl::StatusOr<RowIndex> Copy() const;

  // Independent of the hash that spreads keys over partitions, or all keys of
  // one partition would crowd one part of the table.
  static uint32_t HashOf(uint64_t key) {
    constexpr uint64_t kSalt = 0x5bd1e9955bd1e995;
    return static_cast<uint32_t>(Mix64(key + kSalt) >> 32);
  }

  // Hides the wait for the memory of a coming Find.
  void Prefetch(uint32_t hash) const {
    __builtin_prefetch(entries_.Address(StartOf(hash)));
  }
  // Where the rows of that hash begin, if there are any.
  size_t Find(uint32_t hash) const {
    size_t at = StartOf(hash);
    // An empty entry has the highest hash, and the last entry is empty.
    while (entries_[at].hash < hash) ++at;
    return at;
  }
  bool Has(size_t at, uint32_t hash) const {
    return entries_[at].hash == hash && entries_[at].row != kNoRow;
  }
  uint32_t RowAt(size_t at) const { return entries_[at].row; }

  // Makes room for `rows` rows in all, so that inserting them moves no table.
  // ResourceExhausted: it is as it was.
  absl::Status Reserve(size_t rows);
  // Blocks of the pool that it would then have.
  int64_t BlocksFor(size_t rows) const;
  // A row that is not there yet. Where no room was reserved for it, what lacks
  // comes from the heap.
  void Insert(uint32_t hash, uint32_t row);
  // A row that is there (checked).
  void Erase(uint32_t hash, uint32_t row);

  size_t size() const { return size_; }
  // Memory that it takes; of it blocks of the pool.
  size_t bytes() const { return entries_.bytes(); }
  int64_t blocks() const { return entries_.blocks(); }

 private:
  static constexpr uint32_t kNoRow = 0xffffffff;  // In an empty entry.
  struct Entry {
    uint32_t hash = 0xffffffff;
    uint32_t row = kNoRow;
  };

  // Not beyond the last but a few entries, which take what is pushed out of
  // the others.
  size_t StartOf(uint32_t hash) const {
    return static_cast<size_t>((uint64_t{hash} * starts_) >> 32);
  }
  // Whether so many entries are for the heap anyway.
  bool Small(size_t count) const;
  // Starts of a table with room for `rows`, which has none for them now.
  size_t StartsToGrowTo(size_t rows) const;
  // Empty ones. ResourceExhausted, but not `on_heap`.
  absl::StatusOr<BlockArray<Entry>> Entries(size_t count, bool on_heap) const;
  absl::Status Rebuild(size_t starts, bool on_heap);
  // A few more at its end.
  void Enlarge();

  BlockPool* pool_;
  BlockArray<Entry> entries_;
  size_t starts_ = 0;
  size_t size_ = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_INDEX_H_
