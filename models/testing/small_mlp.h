// Perceptrons for batches of 12 features and 3 classes, for tests.
#ifndef EBB_MODELS_TESTING_SMALL_MLP_H_
#define EBB_MODELS_TESTING_SMALL_MLP_H_

#include "models/config.h"

namespace ebb::models::testing {

inline ModelConfig SmallMlp() {
  ModelConfig config;
  config.kind = "mlp";
  config.features = 12;
  config.classes = 3;
  config.layers = {12, 20, 20, 3};
  config.seed = 5;
  config.l2 = 0.01;
  return config;
}

// With all further options of a job.
inline ModelConfig SmallMlpWithAll() {
  ModelConfig config = SmallMlp();
  config.dropout = 0.3;
  config.clip_norm = 0.1;
  return config;
}

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_SMALL_MLP_H_
