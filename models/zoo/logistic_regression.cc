// The probability of 1 is 1 / (1 + exp(-(x w + b))); labels are 0/1 or -1/+1.
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/feed_forward.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateLogisticRegression(
    const ModelConfig& config, ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"init"}));
  if (config.classes == 0) {
    return ConfigError(
        "model.kind",
        "logistic tells 2 classes apart, but the labels are values",
        "kind: linear");
  }
  if (config.classes != 2) {
    return ConfigError(
        "model.kind",
        absl::StrCat("logistic tells 2 classes apart, but the labels are ",
                     config.classes),
        "kind: softmax");
  }
  FeedForwardSpec spec;
  spec.layers = {config.features, 1};
  spec.loss = Loss::kLogistic;
  EBB_ASSIGN_OR_RETURN(spec.init, ParseWeightInit(config, WeightInit::kZeros));
  return MakeFeedForward(spec, config, backend);
}

}  // namespace

absl::Status RegisterLogisticRegression(Registry* registry) {
  return registry->Register("logistic", "two classes, told apart by a plane",
                            CreateLogisticRegression);
}

}  // namespace ebb::models::zoo
