// The engine of the built-in models: layers of weights, a function after each
// but the last, and a loss. Regressions are networks of one layer.
#ifndef EBB_MODELS_FEED_FORWARD_H_
#define EBB_MODELS_FEED_FORWARD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/model.h"

namespace ebb::models {

// How the weights of a layer start. Biases start at 0.
enum class WeightInit {
  kZeros,
  // Evenly within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010).
  kGlorot,
  // Normally with the variance 2 / inputs (He et al. 2015).
  kHe,
};

InitRule WeightRule(WeightInit init, int64_t inputs, int64_t outputs);

// Parses config.init; `unset` if it is empty.
absl::StatusOr<WeightInit> ParseWeightInit(const ModelConfig& config,
                                           WeightInit unset);

// relu (where it is empty), tanh or sigmoid, of config.activation.
absl::StatusOr<Activation> ParseActivation(const ModelConfig& config);

// The tables of layers of these widths, as MakeFeedForward has them.
std::vector<TableShape> LayerTables(const std::vector<int64_t>& widths,
                                    WeightInit init);
// kInvalidArgument: a width below 1, or more parameters than can be.
absl::Status CheckLayerWidths(const std::vector<int64_t>& widths);

struct FeedForwardSpec {
  // The widths, at least two, from the features to the outputs: one output,
  // but for kSoftmax one per class.
  std::vector<int64_t> layers;
  Activation activation = Activation::kIdentity;
  Loss loss = Loss::kSquared;
  WeightInit init = WeightInit::kZeros;
};

// Takes l2, clip_norm, dropout and seed from `config`. The tables are
// "layer1.weights" (inputs, outputs), "layer1.bias" (outputs), "layer2.weights"
// and so on; "weights" and "bias" of a single layer.
//
// kInvalidArgument: a width below 1, or more parameters than can be.
absl::StatusOr<std::unique_ptr<Model>> MakeFeedForward(
    const FeedForwardSpec& spec, const ModelConfig& config,
    ComputeBackend* backend);

}  // namespace ebb::models

#endif  // EBB_MODELS_FEED_FORWARD_H_
