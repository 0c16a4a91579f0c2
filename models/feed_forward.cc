#include "models/feed_forward.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "models/layer_stack.h"
#include "models/model_base.h"

namespace ebb::models {
namespace {

FrozenLayers FrozenLayersOf(const FeedForwardSpec& spec,
                            const ModelConfig& config) {
  FrozenLayers frozen = {.examples = config.examples};
  // Weights and bias of each layer, in turns.
  const auto tables = LayerTables(spec.layers, spec.init);
  for (size_t i = 0; i < tables.size(); ++i) {
    auto& of_kind = i % 2 == 0 ? frozen.weights : frozen.bias;
    of_kind.push_back(std::ranges::find(config.frozen, tables[i].name) !=
                      config.frozen.end());
  }
  return frozen;
}

class FeedForward final : public ModelBase {
 public:
  FeedForward(ModelDescription description, const FeedForwardSpec& spec,
              const ModelConfig& config, ComputeBackend* backend)
      : ModelBase(std::move(description), config, backend),
        loss_(spec.loss),
        layers_(spec.layers, spec.activation, config.dropout, config.seed,
                backend, FrozenLayersOf(spec, config)),
        scores_(backend) {}

 private:
  absl::Status SumGradient(IncomingValues* params, const BatchView& batch,
                           OutgoingGradient* grad, LossSums* sums) override {
    float* scores = scores_.Reserve<float>(batch.rows * outputs());
    layers_.Forward(params, batch, /*train=*/true, scores);
    backend().ComputeLoss(loss_, batch.rows, outputs(), batch.labels.data(),
                          scores, scores, sums);
    layers_.Backward(params, batch, scores, grad, nullptr);
    return absl::OkStatus();
  }

  absl::Status SumLoss(IncomingValues* params, const BatchView& batch,
                       LossSums* sums) override {
    float* scores = scores_.Reserve<float>(batch.rows * outputs());
    layers_.Forward(params, batch, /*train=*/false, scores);
    backend().ComputeLoss(loss_, batch.rows, outputs(), batch.labels.data(),
                          scores, nullptr, sums);
    return absl::OkStatus();
  }

  absl::Status ComputeOutputs(IncomingValues* params, const BatchView& batch,
                              float* outputs_out) override {
    layers_.Forward(params, batch, /*train=*/false, outputs_out);
    backend().ScoresToOutputs(loss_, batch.rows, outputs(), outputs_out);
    return absl::OkStatus();
  }

  absl::Status SumLossAndOutputs(IncomingValues* params, const BatchView& batch,
                                 LossSums* sums, float* outputs_out) override {
    layers_.Forward(params, batch, /*train=*/false, outputs_out);
    backend().ComputeLoss(loss_, batch.rows, outputs(), batch.labels.data(),
                          outputs_out, nullptr, sums);
    backend().ScoresToOutputs(loss_, batch.rows, outputs(), outputs_out);
    return absl::OkStatus();
  }

  void KeepAtMost(int64_t bytes) override { layers_.KeepAtMost(bytes); }
  bool GivesUpKept() const override { return true; }
  int64_t KeptBytes(bool /*sparse*/) const override {
    return layers_.kept_bytes();
  }

  int64_t outputs() const { return layers_.outputs(); }

  const Loss loss_;
  LayerStack layers_;
  BackendArray scores_;
};

ModelDescription Describe(const FeedForwardSpec& spec) {
  ModelDescription description;
  description.features = spec.layers.front();
  description.outputs = spec.layers.back();
  switch (spec.loss) {
    case Loss::kSquared:
      description.labels = LabelKind::kValue;
      break;
    case Loss::kLogistic:
      description.labels = LabelKind::kBinary;
      break;
    case Loss::kSoftmax:
      description.labels = LabelKind::kClass;
      description.classes = spec.layers.back();
      break;
  }
  description.tables = LayerTables(spec.layers, spec.init);
  return description;
}

}  // namespace

InitRule WeightRule(WeightInit init, int64_t inputs, int64_t outputs) {
  switch (init) {
    case WeightInit::kZeros:
      break;
    case WeightInit::kGlorot:
      return InitRule::Uniform(static_cast<float>(
          std::sqrt(6.0 / static_cast<double>(inputs + outputs))));
    case WeightInit::kHe:
      return InitRule::Normal(
          static_cast<float>(std::sqrt(2.0 / static_cast<double>(inputs))));
  }
  return InitRule::Zeros();
}

absl::StatusOr<Activation> ParseActivation(const ModelConfig& config) {
  if (config.activation.empty() || config.activation == "relu") {
    return Activation::kRelu;
  }
  if (config.activation == "tanh") return Activation::kTanh;
  if (config.activation == "sigmoid") return Activation::kSigmoid;
  return ConfigError("model.activation",
                     absl::StrCat("\"", config.activation,
                                  "\" is none of relu, tanh, sigmoid"),
                     "activation: relu");
}

std::vector<TableShape> LayerTables(const std::vector<int64_t>& widths,
                                    WeightInit init) {
  std::vector<TableShape> tables;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    const int64_t inputs = widths[i], outputs = widths[i + 1];
    const std::string prefix =
        widths.size() == 2 ? "" : absl::StrCat("layer", i + 1, ".");
    tables.push_back({absl::StrCat(prefix, "weights"),
                      {inputs, outputs},
                      WeightRule(init, inputs, outputs),
                      /*regularized=*/true});
    tables.push_back({absl::StrCat(prefix, "bias"),
                      {outputs},
                      InitRule::Zeros(),
                      /*regularized=*/false});
  }
  return tables;
}

absl::Status CheckLayerWidths(const std::vector<int64_t>& widths) {
  constexpr int64_t kMaxWidth = int64_t{1} << 31;
  constexpr int64_t kMaxParameters = int64_t{1} << 40;
  int64_t parameters = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] < 1 || widths[i] > kMaxWidth) {
      return ConfigError(
          "model.layers",
          absl::StrCat("layer ", i, " has ", widths[i], " units; 1 to ",
                       kMaxWidth, " are possible"));
    }
    if (i == 0) continue;
    // At most 2^62 + 2^31, so the sum so far cannot overflow.
    parameters += (widths[i - 1] + 1) * widths[i];
    if (parameters > kMaxParameters) {
      return ConfigError(
          "model.layers",
          absl::StrCat("[", absl::StrJoin(widths, ", "), "] has more than ",
                       kMaxParameters, " parameters"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<WeightInit> ParseWeightInit(const ModelConfig& config,
                                           WeightInit unset) {
  if (config.init.empty()) return unset;
  if (config.init == "zeros") return WeightInit::kZeros;
  if (config.init == "glorot") return WeightInit::kGlorot;
  if (config.init == "he") return WeightInit::kHe;
  return ConfigError(
      "model.init",
      absl::StrCat("\"", config.init, "\" is none of he, glorot, zeros"),
      "init: he");
}

absl::StatusOr<std::unique_ptr<Model>> MakeFeedForward(
    const FeedForwardSpec& spec, const ModelConfig& config,
    ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckLayerWidths(spec.layers));
  return std::make_unique<FeedForward>(Describe(spec), spec, config, backend);
}

}  // namespace ebb::models
