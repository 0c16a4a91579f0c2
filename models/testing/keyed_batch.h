// A few random keyed examples, for tests.
#ifndef EBB_MODELS_TESTING_KEYED_BATCH_H_
#define EBB_MODELS_TESTING_KEYED_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "models/batch.h"

namespace ebb::models::testing {

// Owns the examples that its views show.
class KeyedBatch {
 public:
  struct Entry {
    int32_t key = 0;  // Its place among the batch's keys.
    uint16_t field = 0;
    float value = 1;
  };

  // These examples, of keys [0, keys).
  KeyedBatch(int64_t fields, int64_t keys,
             std::vector<std::vector<Entry>> examples,
             std::vector<float> labels);

  // `rows` random examples with up to two entries in each field, values in
  // [-1, 1] and labels that are 0 or 1, or with `classes` 0 in [-1, 1]. Row 1,
  // if there is one, is empty, row 2 has a key twice in one field, row 3 one
  // in two fields, and key 0 occurs nowhere.
  static KeyedBatch Random(int64_t rows, int64_t fields, int64_t keys,
                           int64_t classes, uint32_t seed);
  // `rows` random ratings, with the value 1 but for a few.
  static KeyedBatch Ratings(int64_t rows, int64_t users, int64_t items,
                            uint32_t seed);

  // Random numbers in [-1, 1] beside the keys of each example.
  KeyedBatch& AddBeside(int64_t width, uint32_t seed);
  // Returns the numbers of an example.
  std::span<const float> beside(size_t row) const {
    const size_t width = beside_.size() / labels_.size();
    return std::span(beside_).subspan(row * width, width);
  }

  BatchView View() const;

  const std::vector<std::vector<Entry>>& examples() const { return examples_; }
  const std::vector<float>& labels() const { return labels_; }
  int64_t keys() const { return keys_; }
  int64_t fields() const { return fields_count_; }

 private:
  int64_t fields_count_;
  int64_t keys_;
  std::vector<std::vector<Entry>> examples_;
  std::vector<float> labels_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> columns_;
  std::vector<uint16_t> fields_;
  std::vector<float> values_;
  std::vector<float> beside_;
};

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_KEYED_BATCH_H_
