// A set of row numbers: one bit each.
#ifndef EBB_SERVER_ROWS_ROW_SET_H_
#define EBB_SERVER_ROWS_ROW_SET_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ebb::server {

// Thread-compatible.
class RowSet {
 public:
  // Numbers below `rows` can be in it from now on; those above go.
  void Resize(int64_t rows) {
    words_.resize(static_cast<size_t>((rows + kBits - 1) / kBits));
    if (rows % kBits != 0) {
      words_.back() &= ~uint64_t{0} >> (kBits - rows % kBits);
    }
  }
  // Room so that growing to `rows` needs no memory.
  void Reserve(int64_t rows) {
    const auto words = static_cast<size_t>((rows + kBits - 1) / kBits);
    // By half, so that reserving a row at a time costs little.
    if (words > words_.capacity()) {
      words_.reserve(std::max(words, words_.capacity() * 3 / 2));
    }
  }

  void Add(uint32_t row) { words_[row / kBits] |= Bit(row); }
  void Remove(uint32_t row) { words_[row / kBits] &= ~Bit(row); }
  bool Has(uint32_t row) const { return words_[row / kBits] & Bit(row); }
  void Clear() { std::ranges::fill(words_, 0); }
  // All that are in `other`, which is no larger.
  void AddAll(const RowSet& other) {
    for (size_t i = 0; i < other.words_.size(); ++i) {
      words_[i] |= other.words_[i];
    }
  }

  int64_t Count() const {
    int64_t count = 0;
    for (const uint64_t word : words_) count += std::popcount(word);
    return count;
  }
  // Ascending.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<uint32_t>(i * kBits) +
              static_cast<uint32_t>(std::countr_zero(word)));
      }
    }
  }

  std::span<const uint64_t> words() const { return words_; }
  std::span<uint64_t> mutable_words() { return words_; }
  size_t bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  static constexpr int64_t kBits = 64;
  static uint64_t Bit(uint32_t row) { return uint64_t{1} << (row % kBits); }

  std::vector<uint64_t> words_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_SET_H_
