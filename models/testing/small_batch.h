// A few random examples, stored densely or sparsely, for tests.
#ifndef EBB_MODELS_TESTING_SMALL_BATCH_H_
#define EBB_MODELS_TESTING_SMALL_BATCH_H_

#include <cstdint>
#include <vector>

#include "models/batch.h"

namespace ebb::models::testing {

// Owns the examples that its views show. About half of the features are 0.
class SmallBatch {
 public:
  // Labels are classes, or values in [-1, 1] if `classes` is 0.
  SmallBatch(int64_t rows, int64_t features, int64_t classes, uint32_t seed);
  // These examples: `dense` is (labels.size(), features).
  SmallBatch(std::vector<float> dense, std::vector<float> labels);

  BatchView Dense() const;
  // The same examples.
  BatchView Sparse() const;

  const std::vector<float>& dense() const { return dense_; }
  const std::vector<float>& labels() const { return labels_; }

 private:
  void FillSparse();

  std::vector<float> dense_;
  std::vector<float> labels_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> columns_;
  std::vector<float> values_;
};

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_SMALL_BATCH_H_
