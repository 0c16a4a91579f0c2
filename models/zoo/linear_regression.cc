// Least squares with L2 (ridge regression): the loss of an example is
// (x w + b - y)^2 / 2. Over n examples the optimum is that of the textbook's
// penalty alpha |w|^2 / 2 with alpha = n * l2; the bias is free.
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/feed_forward.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateLinearRegression(
    const ModelConfig& config, ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"init"}));
  if (config.classes != 0) {
    return ConfigError(
        "model.kind",
        absl::StrCat("linear predicts values, but the labels are ",
                     config.classes, " classes"),
        config.classes == 2 ? "kind: logistic" : "kind: softmax");
  }
  FeedForwardSpec spec;
  spec.layers = {config.features, 1};
  spec.loss = Loss::kSquared;
  EBB_ASSIGN_OR_RETURN(spec.init, ParseWeightInit(config, WeightInit::kZeros));
  return MakeFeedForward(spec, config, backend);
}

}  // namespace

absl::Status RegisterLinearRegression(Registry* registry) {
  return registry->Register("linear",
                            "least squares; with l2, ridge regression",
                            CreateLinearRegression);
}

}  // namespace ebb::models::zoo
