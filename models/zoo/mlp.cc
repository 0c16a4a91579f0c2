// A perceptron of any depth: each layer but the last is followed by the
// activation and, in training, by dropout.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "models/feed_forward.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

// One output is a value, or one of two classes; more are one per class.
Loss LossOf(const ModelConfig& config) {
  if (config.layers.back() > 1) return Loss::kSoftmax;
  return config.classes == 2 ? Loss::kLogistic : Loss::kSquared;
}

absl::Status CheckLayers(const ModelConfig& config) {
  const int64_t right_outputs = std::max<int64_t>(config.classes, 1);
  if (config.layers.size() < 2) {
    return ConfigError("model.layers",
                       "a perceptron needs the widths of its layers, from the "
                       "features to the outputs",
                       absl::StrCat("layers: [", config.features, ", 64, ",
                                    right_outputs, "]"));
  }
  const int64_t inputs = config.layers.front();
  const int64_t outputs = config.layers.back();
  const bool outputs_fit =
      outputs == right_outputs || (outputs == 1 && config.classes == 2);
  std::vector<int64_t> right = config.layers;
  right.front() = config.features;
  if (!outputs_fit) right.back() = right_outputs;
  const std::string hint =
      absl::StrCat("layers: [", absl::StrJoin(right, ", "), "]");
  if (inputs != config.features) {
    return ConfigError("model.layers",
                       absl::StrCat("the first layer has ", inputs,
                                    " inputs, but the examples have ",
                                    config.features, " features"),
                       hint);
  }
  if (!outputs_fit) {
    return ConfigError(
        "model.layers",
        absl::StrCat("the last layer has ", outputs,
                     " outputs, but the labels ",
                     config.classes == 0
                         ? "are values"
                         : absl::StrCat("have ", config.classes, " classes")),
        hint);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Model>> CreateMlp(const ModelConfig& config,
                                                 ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(
      CheckOnlyUses(config, {"layers", "activation", "init", "dropout"}));
  EBB_RETURN_IF_ERROR(CheckLayers(config));
  FeedForwardSpec spec;
  spec.layers = config.layers;
  spec.loss = LossOf(config);
  EBB_ASSIGN_OR_RETURN(spec.activation, ParseActivation(config));
  EBB_ASSIGN_OR_RETURN(
      spec.init, ParseWeightInit(config, spec.activation == Activation::kRelu
                                             ? WeightInit::kHe
                                             : WeightInit::kGlorot));
  if (spec.init == WeightInit::kZeros && config.layers.size() > 2) {
    return ConfigError("model.init",
                       "units of a layer that start alike stay alike",
                       "init: he");
  }
  return MakeFeedForward(spec, config, backend);
}

}  // namespace

absl::Status RegisterMlp(Registry* registry) {
  return registry->Register("mlp", "a perceptron of any depth", CreateMlp);
}

}  // namespace ebb::models::zoo
