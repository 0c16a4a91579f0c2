#include "models/testing/small_batch.h"

#include <random>
#include <utility>

namespace ebb::models::testing {

SmallBatch::SmallBatch(int64_t rows, int64_t features, int64_t classes,
                       uint32_t seed)
    : dense_(rows * features), labels_(rows) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (float& value : dense_) {
    value = generator() % 2 == 0 ? 0.0f : uniform(generator);
  }
  for (float& label : labels_) {
    label = classes == 0 ? uniform(generator)
                         : static_cast<float>(generator() % classes);
  }
  FillSparse();
}

SmallBatch::SmallBatch(std::vector<float> dense, std::vector<float> labels)
    : dense_(std::move(dense)), labels_(std::move(labels)) {
  FillSparse();
}

void SmallBatch::FillSparse() {
  const size_t features = dense_.size() / labels_.size();
  offsets_.push_back(0);
  for (size_t i = 0; i < dense_.size(); ++i) {
    if (dense_[i] != 0) {
      columns_.push_back(static_cast<int32_t>(i % features));
      values_.push_back(dense_[i]);
    }
    if ((i + 1) % features == 0) offsets_.push_back(columns_.size());
  }
}

BatchView SmallBatch::Dense() const {
  BatchView batch;
  batch.rows = static_cast<int64_t>(labels_.size());
  batch.features = static_cast<int64_t>(dense_.size()) / batch.rows;
  batch.dense = dense_;
  batch.labels = labels_;
  batch.epoch = 1;
  batch.shard = 2;
  batch.first_position = 30;
  return batch;
}

BatchView SmallBatch::Sparse() const {
  BatchView batch = Dense();
  batch.dense = {};
  batch.sparse = {offsets_, columns_, values_};
  return batch;
}

}  // namespace ebb::models::testing
