#include "models/testing/keyed_batch.h"

#include <random>
#include <utility>

namespace ebb::models::testing {

KeyedBatch::KeyedBatch(int64_t fields, int64_t keys,
                       std::vector<std::vector<Entry>> examples,
                       std::vector<float> labels)
    : fields_count_(fields),
      keys_(keys),
      examples_(std::move(examples)),
      labels_(std::move(labels)) {
  offsets_.push_back(0);
  for (const std::vector<Entry>& example : examples_) {
    for (const Entry& entry : example) {
      columns_.push_back(entry.key);
      fields_.push_back(entry.field);
      values_.push_back(entry.value);
    }
    offsets_.push_back(static_cast<int64_t>(columns_.size()));
  }
}

KeyedBatch KeyedBatch::Random(int64_t rows, int64_t fields, int64_t keys,
                              int64_t classes, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const auto any_key = [&] {
    return static_cast<int32_t>(1 + generator() % (keys - 1));
  };
  std::vector<std::vector<Entry>> examples(rows);
  std::vector<float> labels(rows);
  for (int64_t row = 0; row < rows; ++row) {
    labels[row] =
        classes == 0 ? uniform(generator) : static_cast<float>(generator() % 2);
    if (row == 1) continue;
    std::vector<Entry>& example = examples[row];
    for (int64_t field = 0; field < fields; ++field) {
      const int64_t entries = generator() % 3;
      for (int64_t i = 0; i < entries; ++i) {
        example.push_back(
            {any_key(), static_cast<uint16_t>(field), uniform(generator)});
      }
    }
    if (row == 2 || row == 3) {
      const int32_t key = any_key();
      const auto last = static_cast<uint16_t>(fields - 1);
      const auto other = static_cast<uint16_t>(row == 2 ? last : 0);
      example.push_back({key, last, 0.75f});
      example.push_back({key, other, -1.5f});
    }
  }
  return KeyedBatch(fields, keys, std::move(examples), std::move(labels));
}

KeyedBatch KeyedBatch::Ratings(int64_t rows, int64_t users, int64_t items,
                               uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(1, 5);
  std::vector<std::vector<Entry>> examples(rows);
  std::vector<float> labels(rows);
  for (int64_t row = 0; row < rows; ++row) {
    const auto user = static_cast<int32_t>(generator() % users);
    const auto item = static_cast<int32_t>(users + generator() % items);
    examples[row] = {{user, 0, row % 5 == 4 ? 0.5f : 1.0f}, {item, 1, 1}};
    labels[row] = uniform(generator);
  }
  return KeyedBatch(2, users + items, std::move(examples), std::move(labels));
}

KeyedBatch& KeyedBatch::AddBeside(int64_t width, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  beside_.resize(labels_.size() * static_cast<size_t>(width));
  for (float& number : beside_) number = uniform(generator);
  return *this;
}

BatchView KeyedBatch::View() const {
  BatchView batch;
  batch.rows = static_cast<int64_t>(labels_.size());
  batch.features = fields_count_;
  batch.sparse = {offsets_, columns_, values_};
  batch.fields = fields_;
  batch.beside = beside_;
  batch.distinct_keys = keys_;
  batch.labels = labels_;
  batch.epoch = 1;
  batch.shard = 2;
  batch.first_position = 30;
  return batch;
}

}  // namespace ebb::models::testing
