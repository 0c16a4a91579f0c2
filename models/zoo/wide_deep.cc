// Wide & deep learning (Cheng et al. 2016, "Wide & Deep Learning for
// Recommender Systems", equation 3): the score is that of a linear model over
// all keys, the wide part, and that of a perceptron over the embeddings of the
// fields, side by side, the deep part. Where a field has several entries their
// embeddings, times their values, are added. Crossed features of the wide part
// are features of the data here.
//
// Embeddings start normally with deviation 1 / sqrt(dim), as the columns of the
// authors' library do (tf.feature_column.embedding_column).
#include <cmath>

#include "common/status_macros.h"
#include "models/keyed_model.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateWideDeep(const ModelConfig& config,
                                                      ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(
      config, {"layers", "activation", "init", "dropout", "dim"}));
  KeyedSpec spec;
  EBB_RETURN_IF_ERROR(AddDeepPart(config, &spec));
  spec.vectors_init =
      InitRule::Normal(1 / std::sqrt(static_cast<float>(spec.vector_size)));
  EBB_ASSIGN_OR_RETURN(spec.loss, LossOfLabels(config));
  return MakeKeyedModel(spec, config, backend);
}

}  // namespace

absl::Status RegisterWideDeep(Registry* registry) {
  return registry->Register(
      "wide_deep", "a weight of each key, and a perceptron over embeddings",
      CreateWideDeep);
}

}  // namespace ebb::models::zoo
