// Finds the rows of a sparse table by the hash of their key.
#ifndef EBB_SERVER_ROWS_ROW_INDEX_H_
#define EBB_SERVER_ROWS_ROW_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/example_hash.h"

namespace ebb::server {

// An open-addressing table of (hash of 32 bits, row number), at most three
// quarters full. It holds no keys: a look-up reads the key in the row, which it
// needs anyway, and two keys in 2^32 share a hash. So a look-up goes through
// the rows of a hash:
//
//   const uint32_t hash = RowIndex::HashOf(key);
//   for (size_t at = index.Find(hash); index.Has(at, hash); ++at) {
//     if (KeyOfRow(index.RowAt(at)) == key) return index.RowAt(at);
//   }
//
// It uses linear probing with entries in the order of their hashes (Amble,
// Knuth 1974, "Ordered hash tables"), which are also the order of their places.
// So a failing look-up ends early, growing is one pass over both tables, and
// removing leaves no tombstones. It takes 8 bytes per entry, and 10.7 to 16 per
// row.
//
// Thread-compatible.
class RowIndex {
 public:
  RowIndex();

  // Independent of the hash that spreads keys over partitions, or all keys of
  // one partition would crowd one part of the table.
  static uint32_t HashOf(uint64_t key) {
    constexpr uint64_t kSalt = 0x5bd1e9955bd1e995;
    return static_cast<uint32_t>(Mix64(key + kSalt) >> 32);
  }

  // Hides the wait for the memory of a coming Find.
  void Prefetch(uint32_t hash) const {
    __builtin_prefetch(&entries_[StartOf(hash)]);
  }
  // Returns where the rows of that hash begin, if there are any.
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
  void Reserve(size_t rows);
  // Memory that it takes after that.
  size_t BytesFor(size_t rows) const;
  // A row that is not there yet.
  void Insert(uint32_t hash, uint32_t row);
  // A row that is there (checked).
  void Erase(uint32_t hash, uint32_t row);

  size_t size() const { return size_; }
  // Memory that it takes.
  size_t bytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  static constexpr uint32_t kNoRow = 0xffffffff;  // In an empty entry.
  struct Entry {
    uint32_t hash = 0xffffffff;
    uint32_t row = kNoRow;
  };

  // Never one of the last few entries: these take entries that are pushed out
  // of their places.
  size_t StartOf(uint32_t hash) const {
    return static_cast<size_t>((uint64_t{hash} * starts_) >> 32);
  }
  // Starts of a table with room for `rows`.
  size_t StartsWith(size_t rows) const;
  void Rebuild(size_t starts);

  std::vector<Entry> entries_;
  size_t starts_ = 0;
  size_t size_ = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_INDEX_H_
