// DeepFM (Guo et al. 2017, "DeepFM: A Factorization-Machine based Neural
// Network for CTR Prediction", equations 1 to 4): the score is that of a
// factorisation machine and that of a perceptron, and both have the same
// embeddings. They start normally with deviation 0.01, as in the reference
// implementation.
#include "common/status_macros.h"
#include "models/keyed_model.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateDeepfm(const ModelConfig& config,
                                                    ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(
      config, {"layers", "activation", "init", "dropout", "dim"}));
  KeyedSpec spec;
  EBB_RETURN_IF_ERROR(AddDeepPart(config, &spec));
  spec.vectors_init = InitRule::Normal(0.01f);
  spec.pairs = Pairs::kFactors;
  EBB_ASSIGN_OR_RETURN(spec.loss, LossOfLabels(config));
  return MakeKeyedModel(spec, config, backend);
}

}  // namespace

absl::Status RegisterDeepfm(Registry* registry) {
  return registry->Register(
      "deepfm", "a factorisation machine and a perceptron over its factors",
      CreateDeepfm);
}

}  // namespace ebb::models::zoo
