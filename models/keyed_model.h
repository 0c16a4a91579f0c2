// The engine of the built-in models for keyed examples: a score that is the
// sum of a weight of each key, of what pairs of entries add, and of a
// perceptron over the embeddings of the fields.
#ifndef EBB_MODELS_KEYED_MODEL_H_
#define EBB_MODELS_KEYED_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/initializer.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/feed_forward.h"
#include "models/model.h"

namespace ebb::models {

// The contribution of the pairs of an example's entries to its score.
enum class Pairs {
  kNone,
  // <v(a), v(b)> x(a) x(b): ComputeBackend::FactorScores.
  kFactors,
  // <v(a, field of b), v(b, field of a)> x(a) x(b):
  // ComputeBackend::FieldFactorScores.
  kFieldFactors,
};

struct KeyedSpec {
  // The sparse table of width 1, zero at first.
  std::string weights = "weights";
  // The sparse table of vectors, if there are any: of `vector_size` numbers,
  // and with kFieldFactors as many for each field. Pairs and layers share it.
  std::string vectors;
  int64_t vector_size = 0;
  InitRule vectors_init;
  Pairs pairs = Pairs::kNone;
  // With `deep`: a perceptron with these hidden layers and one output. Its
  // inputs are, for each field, the sum of the vectors of its entries times
  // their values, and then the numbers beside the keys.
  bool deep = false;
  std::vector<int64_t> hidden;
  Activation activation = Activation::kRelu;
  WeightInit layers_init = WeightInit::kHe;
  // kSquared or kLogistic.
  Loss loss = Loss::kLogistic;
  // Examples are ratings: an entry of field 0 and one of field 1.
  bool ratings = false;
};

// Takes features (the number of fields), beside, l2, clip_norm, dropout and
// seed from `config`. The dense tables are "bias" (1), or with `deep`, whose
// last layer has the bias, "layer1.weights", "layer1.bias" and so on. The
// sparse tables are `weights` and `vectors`.
//
// With numbers beside keys, a back end of a device is not used: the model
// computes on the processor, by a back end of its own.
//
// kInvalidArgument: more fields than 65536, numbers beside keys without `deep`,
// a row wider than 2^20 floats, or layers that are not possible.
absl::StatusOr<std::unique_ptr<Model>> MakeKeyedModel(const KeyedSpec& spec,
                                                      const ModelConfig& config,
                                                      ComputeBackend* backend);

// kLogistic where labels are two classes, kSquared where they are values;
// kInvalidArgument for other numbers of classes.
absl::StatusOr<Loss> LossOfLabels(const ModelConfig& config);

// Refuses labels that are not two classes.
absl::Status CheckTwoClasses(const ModelConfig& config);

// Takes hidden layers (default: 128 and 64), activation, their init and
// embeddings of config.dim numbers (default: 16).
absl::Status AddDeepPart(const ModelConfig& config, KeyedSpec* spec);

}  // namespace ebb::models

#endif  // EBB_MODELS_KEYED_MODEL_H_
