// Which row numbers a table has, and which of them are in use.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_NUMBERS_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_NUMBERS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/rows/row_set.h"

namespace ebb::server::internal {

// The numbers [0, capacity) exist; those of rows are live, the others free.
// Rows that are made get the lowest free numbers, so which rows lie where
// depends on what is there, and not on how it came about.
//
// Thread-compatible.
class RowNumbers {
 public:
  int64_t capacity() const { return capacity_; }
  const RowSet& live() const { return live_; }

  // To `capacity` numbers, which are no fewer than before.
  void Grow(int64_t capacity) {
    capacity_ = capacity;
    live_.Resize(capacity);
  }
  // Room so that growing to `capacity` needs no memory.
  void Reserve(int64_t capacity) { live_.Reserve(capacity); }
  void Add(uint32_t row) {
    live_.Add(row);
    const std::span<const uint64_t> words = live_.words();
    while (first_free_ < words.size() && ~words[first_free_] == 0) {
      ++first_free_;
    }
  }
  void Remove(uint32_t row) {
    live_.Remove(row);
    first_free_ = std::min(first_free_, static_cast<size_t>(row / kWordBits));
  }

  // Goes through the free numbers, and then those that do not exist yet. It
  // changes nothing: the caller grows and adds.
  class Free {
   public:
    explicit Free(const RowNumbers& numbers)
        : words_(numbers.live_.words()),
          word_(numbers.first_free_),
          free_(FreeIn(word_)),
          capacity_(numbers.capacity_) {}

    // The lowest that was not given yet.
    int64_t Next() {
      while (free_ == 0 && word_ < words_.size()) free_ = FreeIn(++word_);
      int64_t number = capacity_;
      if (free_ != 0) {
        number =
            static_cast<int64_t>(word_) * kWordBits + std::countr_zero(free_);
        free_ &= free_ - 1;
      }
      // The last word has bits beyond the last row; these are the next rows.
      return number < capacity_ ? number : capacity_++;
    }
    // Numbers that must exist for those that were given.
    int64_t capacity() const { return capacity_; }

   private:
    uint64_t FreeIn(size_t word) const {
      return word < words_.size() ? ~words_[word] : 0;
    }

    const std::span<const uint64_t> words_;
    size_t word_;
    uint64_t free_;  // Numbers in that word that were not given yet.
    int64_t capacity_;
  };

 private:
  static constexpr int64_t kWordBits = 64;

  RowSet live_;
  int64_t capacity_ = 0;
  size_t first_free_ = 0;  // Words of live_ before it are full.
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_NUMBERS_H_
