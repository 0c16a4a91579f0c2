// The probability of class c is proportional to exp(x w_c + b_c).
#include "common/status_macros.h"
#include "models/feed_forward.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateSoftmaxRegression(
    const ModelConfig& config, ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"init"}));
  if (config.classes == 0) {
    return ConfigError("model.kind",
                       "softmax tells classes apart, but the labels are values",
                       "kind: linear");
  }
  FeedForwardSpec spec;
  spec.layers = {config.features, config.classes};
  spec.loss = Loss::kSoftmax;
  EBB_ASSIGN_OR_RETURN(spec.init, ParseWeightInit(config, WeightInit::kZeros));
  return MakeFeedForward(spec, config, backend);
}

}  // namespace

absl::Status RegisterSoftmaxRegression(Registry* registry) {
  return registry->Register("softmax",
                            "any number of classes, told apart by planes",
                            CreateSoftmaxRegression);
}

}  // namespace ebb::models::zoo
