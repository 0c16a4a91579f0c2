#include "models/feed_forward.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "models/model_base.h"

namespace ebb::models {
namespace {

struct Layer {
  int64_t inputs = 0;
  int64_t outputs = 0;
  // In the flat vector of parameters.
  int64_t weights = 0;
  int64_t bias = 0;
};

// What the forward pass leaves for the backward pass, per hidden layer.
struct Hidden {
  explicit Hidden(ComputeBackend* backend)
      : units(backend), mask(backend), dropped(backend) {}

  BackendArray units;    // (rows, outputs), after the activation.
  BackendArray mask;     // (rows, outputs)
  BackendArray dropped;  // units * mask: the inputs of the next layer.
};

class FeedForward final : public ModelBase {
 public:
  FeedForward(ModelDescription description, const FeedForwardSpec& spec,
              const ModelConfig& config, ComputeBackend* backend)
      : ModelBase(std::move(description), config, backend),
        activation_(spec.activation),
        loss_(spec.loss),
        dropout_(static_cast<float>(config.dropout)),
        seed_(config.seed),
        scores_(backend),
        deltas_{BackendArray(backend), BackendArray(backend)} {
    int64_t offset = 0;
    for (size_t i = 0; i + 1 < spec.layers.size(); ++i) {
      Layer layer = {spec.layers[i], spec.layers[i + 1], offset, 0};
      layer.bias = offset + layer.inputs * layer.outputs;
      offset = layer.bias + layer.outputs;
      layers_.push_back(layer);
      if (i > 0) hidden_.emplace_back(backend);
    }
  }

 private:
  absl::Status SumGradient(const float* params, const BatchView& batch,
                           float* grad, LossSums* sums) override {
    float* scores = scores_.Reserve<float>(batch.rows * outputs());
    Forward(params, batch, dropout_ > 0, scores);
    *sums = backend().ComputeLoss(loss_, batch.rows, outputs(),
                                  batch.labels.data(), scores, scores);
    Backward(params, batch, scores, grad);
    return absl::OkStatus();
  }

  absl::Status SumLoss(const float* params, const BatchView& batch,
                       LossSums* sums) override {
    float* scores = scores_.Reserve<float>(batch.rows * outputs());
    Forward(params, batch, false, scores);
    *sums = backend().ComputeLoss(loss_, batch.rows, outputs(),
                                  batch.labels.data(), scores, nullptr);
    return absl::OkStatus();
  }

  absl::Status ComputeOutputs(const float* params, const BatchView& batch,
                              float* outputs_out) override {
    Forward(params, batch, false, outputs_out);
    backend().ScoresToOutputs(loss_, batch.rows, outputs(), outputs_out);
    return absl::OkStatus();
  }

  // scores is (rows, outputs()). After it, InputsOf(i) are the inputs of each
  // layer i > 0.
  void Forward(const float* params, const BatchView& batch, bool drop,
               float* scores) {
    const int64_t rows = batch.rows;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      const float* weights = params + layer.weights;
      const float* bias = params + layer.bias;
      const int64_t count = rows * layer.outputs;
      const bool is_last = i + 1 == layers_.size();
      float* out = is_last ? scores : hidden_[i].units.Reserve<float>(count);
      if (i == 0 && batch.is_sparse()) {
        backend().SparseMatMul(rows, layer.outputs, batch.sparse, weights, bias,
                               out);
      } else {
        const float* in = i == 0 ? batch.dense.data() : InputsOf(i, drop);
        backend().MatMul(rows, layer.inputs, layer.outputs, in, weights, bias,
                         out);
      }
      if (is_last) return;
      backend().Activate(activation_, count, out);
      if (drop) Drop(i, batch, out);
    }
  }

  void Drop(size_t i, const BatchView& batch, const float* units) {
    const int64_t count = batch.rows * layers_[i].outputs;
    const DropoutKey key = {seed_, batch.epoch, batch.shard,
                            batch.first_position, static_cast<int32_t>(i)};
    float* mask = hidden_[i].mask.Reserve<float>(count);
    backend().DropoutMask(key, dropout_, batch.rows, layers_[i].outputs, mask);
    backend().Multiply(count, units, mask,
                       hidden_[i].dropped.Reserve<float>(count));
  }

  // What layer i > 0 read in the last forward pass.
  const float* InputsOf(size_t i, bool drop) const {
    const Hidden& below = hidden_[i - 1];
    return (drop ? below.dropped : below.units).data<float>();
  }

  // delta is (rows, outputs()): the derivative of the loss by the scores.
  void Backward(const float* params, const BatchView& batch, float* delta,
                float* grad) {
    const int64_t rows = batch.rows;
    const bool drop = dropout_ > 0;
    for (size_t i = layers_.size(); i-- > 0;) {
      const Layer& layer = layers_[i];
      float* weights_grad = grad + layer.weights;
      backend().ColumnSums(rows, layer.outputs, delta, grad + layer.bias);
      if (i == 0 && batch.is_sparse()) {
        backend().SparseMatMulTransA(rows, layer.inputs, layer.outputs,
                                     batch.sparse, delta, weights_grad);
        return;
      }
      const float* in = i == 0 ? batch.dense.data() : InputsOf(i, drop);
      backend().MatMulTransA(rows, layer.inputs, layer.outputs, in, delta,
                             weights_grad);
      if (i == 0) return;
      const int64_t count = rows * layer.inputs;
      float* below = deltas_[i % 2].Reserve<float>(count);
      backend().MatMulTransB(rows, layer.outputs, layer.inputs, delta,
                             params + layer.weights, below);
      const Hidden& hidden = hidden_[i - 1];
      if (drop) {
        backend().Multiply(count, below, hidden.mask.data<float>(), below);
      }
      backend().ActivateBackward(activation_, count, hidden.units.data<float>(),
                                 below);
      delta = below;
    }
  }

  int64_t outputs() const { return layers_.back().outputs; }

  const Activation activation_;
  const Loss loss_;
  const float dropout_;
  const uint64_t seed_;
  std::vector<Layer> layers_;
  std::vector<Hidden> hidden_;
  BackendArray scores_;
  BackendArray deltas_[2];  // In turns: one is read while one is written.
};

absl::Status CheckLayers(const FeedForwardSpec& spec) {
  constexpr int64_t kMaxWidth = int64_t{1} << 31;
  constexpr int64_t kMaxParameters = int64_t{1} << 40;
  int64_t parameters = 0;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (spec.layers[i] < 1 || spec.layers[i] > kMaxWidth) {
      return ConfigError(
          "model.layers",
          absl::StrCat("layer ", i, " has ", spec.layers[i], " units; 1 to ",
                       kMaxWidth, " are possible"));
    }
    if (i == 0) continue;
    // At most 2^62 + 2^31, so the sum so far cannot overflow.
    parameters += (spec.layers[i - 1] + 1) * spec.layers[i];
    if (parameters > kMaxParameters) {
      return ConfigError(
          "model.layers",
          absl::StrCat("[", absl::StrJoin(spec.layers, ", "),
                       "] has more than ", kMaxParameters, " parameters"));
    }
  }
  return absl::OkStatus();
}

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
  for (size_t i = 0; i + 1 < spec.layers.size(); ++i) {
    const int64_t inputs = spec.layers[i], outputs = spec.layers[i + 1];
    const std::string prefix =
        spec.layers.size() == 2 ? "" : absl::StrCat("layer", i + 1, ".");
    description.tables.push_back({absl::StrCat(prefix, "weights"),
                                  {inputs, outputs},
                                  WeightRule(spec.init, inputs, outputs),
                                  /*regularized=*/true});
    description.tables.push_back({absl::StrCat(prefix, "bias"),
                                  {outputs},
                                  InitRule::Zeros(),
                                  /*regularized=*/false});
  }
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
  EBB_RETURN_IF_ERROR(CheckLayers(spec));
  return std::make_unique<FeedForward>(Describe(spec), spec, config, backend);
}

}  // namespace ebb::models
