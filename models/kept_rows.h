// Rows of floats that follow from examples, by the number of the example.
#ifndef EBB_MODELS_KEPT_ROWS_H_
#define EBB_MODELS_KEPT_ROWS_H_

#include <cstdint>
#include <memory>
#include <vector>

namespace ebb::models {

// Keeps the first rows that come, for as many as there is room. Memory is taken
// as they come. Thread-compatible.
class KeptRows {
 public:
  // Rows of `width` floats, at least one, of examples with numbers below
  // `examples`. There is room for none until KeepAtMost.
  KeptRows(int64_t examples, int64_t width)
      : examples_(examples), width_(width) {}

  // Makes room for as many rows. What has no room any more is given up.
  void KeepAtMost(int64_t bytes);
  // The bytes that all rows for which there is room take.
  int64_t most_bytes() const;

  // The row of the example, valid until KeepAtMost; null: it is not kept.
  const float* Find(int64_t number) const;
  // Keeps a copy, if there is room and the number is one of the examples. A row
  // that is kept already stays.
  void Put(int64_t number, const float* row);

 private:
  int64_t RowBytes() const {
    return width_ * static_cast<int64_t>(sizeof(float));
  }
  float* RowAt(int64_t place) const {
    return chunks_[place / chunk_rows_].get() + place % chunk_rows_ * width_;
  }

  const int64_t examples_;
  const int64_t width_;
  int64_t most_rows_ = 0;
  // Rows that are allocated at once.
  int64_t chunk_rows_ = 1;
  int64_t rows_ = 0;
  // The place of each example's row, or -1. Empty before the first Put.
  std::vector<int32_t> places_;
  std::vector<std::unique_ptr<float[]>> chunks_;
};

}  // namespace ebb::models

#endif  // EBB_MODELS_KEPT_ROWS_H_
