#include "models/keyed_model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/backends.h"
#include "models/layer_stack.h"
#include "models/model_base.h"

namespace ebb::models {
namespace {

constexpr int64_t kMaxFields = int64_t{1} << 16;
constexpr int64_t kMaxRowFloats = int64_t{1} << 20;

// The widths of the perceptron.
std::vector<int64_t> Widths(const KeyedSpec& spec, const ModelConfig& config) {
  std::vector<int64_t> widths = {config.features * spec.vector_size +
                                 config.beside};
  widths.insert(widths.end(), spec.hidden.begin(), spec.hidden.end());
  widths.push_back(1);
  return widths;
}

// A base, so that it outlives the memory that ModelBase has of it.
struct OwnBackend {
  std::unique_ptr<ComputeBackend> own;  // Perhaps null.
};

class KeyedModel final : private OwnBackend, public ModelBase {
 public:
  KeyedModel(ModelDescription description, const KeyedSpec& spec,
             const ModelConfig& config, ComputeBackend* backend,
             std::unique_ptr<ComputeBackend> own_backend)
      : OwnBackend{std::move(own_backend)},
        ModelBase(std::move(description), config, backend),
        pairs_(spec.pairs),
        loss_(spec.loss),
        ratings_(spec.ratings),
        fields_(config.features),
        vector_size_(spec.vector_size),
        beside_(config.beside),
        scores_(backend),
        sums_(backend),
        inputs_(backend),
        input_grad_(backend),
        field_sums_(backend),
        deep_scores_(backend),
        vectors_grad_(backend) {
    if (!spec.deep) return;
    layers_.emplace(Widths(spec, config), spec.activation, config.dropout,
                    config.seed, backend);
  }

 private:
  absl::Status CheckExamples(const BatchView& batch) const override {
    if (!ratings_) return absl::OkStatus();
    for (int64_t row = 0; row < batch.rows; ++row) {
      const int64_t first = batch.sparse.row_offsets[row];
      const int64_t entries = batch.sparse.row_offsets[row + 1] - first;
      if (entries == 2 && batch.fields[first] != batch.fields[first + 1]) {
        continue;  // They are the two fields that exist.
      }
      return absl::InvalidArgumentError(absl::StrCat(
          "example at epoch ", batch.epoch + 1, ", shard ", batch.shard + 1,
          ", position ", batch.first_position + row, ": is no rating, which ",
          "has an entry of field 0, the user, and one of field 1, the item; "
          "for other examples there is fm"));
    }
    return absl::OkStatus();
  }

  absl::Status SumGradient(IncomingValues* params, const BatchView& batch,
                           OutgoingGradient* grad, LossSums* sums) override {
    float* scores = scores_.Reserve<float>(batch.rows);
    Forward(params, batch, /*train=*/true, scores);
    backend().ComputeLoss(loss_, batch.rows, 1, batch.labels.data(), scores,
                          scores, sums);
    Backward(params, batch, scores, grad);
    return absl::OkStatus();
  }

  absl::Status SumLoss(IncomingValues* params, const BatchView& batch,
                       LossSums* sums) override {
    float* scores = scores_.Reserve<float>(batch.rows);
    Forward(params, batch, /*train=*/false, scores);
    backend().ComputeLoss(loss_, batch.rows, 1, batch.labels.data(), scores,
                          nullptr, sums);
    return absl::OkStatus();
  }

  absl::Status ComputeOutputs(IncomingValues* params, const BatchView& batch,
                              float* outputs) override {
    Forward(params, batch, /*train=*/false, outputs);
    backend().ScoresToOutputs(loss_, batch.rows, 1, outputs);
    return absl::OkStatus();
  }

  absl::Status SumLossAndOutputs(IncomingValues* params, const BatchView& batch,
                                 LossSums* sums, float* outputs) override {
    Forward(params, batch, /*train=*/false, outputs);
    backend().ComputeLoss(loss_, batch.rows, 1, batch.labels.data(), outputs,
                          nullptr, sums);
    backend().ScoresToOutputs(loss_, batch.rows, 1, outputs);
    return absl::OkStatus();
  }

  // scores is (rows). The dense tables are the bias, or those of the layers.
  void Forward(IncomingValues* params, const BatchView& batch, bool train,
               float* scores) {
    const int64_t rows = batch.rows;
    const float* weights = RowsOf(0, batch, params);
    const float* bias = layers_ ? nullptr : params->Read(0, 1);
    backend().SparseMatMul(rows, 1, batch.sparse, weights, bias, scores);
    switch (pairs_) {
      case Pairs::kNone:
        break;
      case Pairs::kFactors:
        backend().FactorScores(
            rows, vector_size_, batch.sparse, RowsOf(1, batch, params),
            sums_.Reserve<float>(rows * vector_size_), scores);
        break;
      case Pairs::kFieldFactors:
        backend().FieldFactorScores(rows, fields_, vector_size_, batch.sparse,
                                    batch.fields, RowsOf(1, batch, params),
                                    scores);
        break;
    }
    if (!layers_) return;
    float* inputs = inputs_.Reserve<float>(rows * InputsOfAnExample());
    float* sums =
        beside_ == 0
            ? inputs
            : field_sums_.Reserve<float>(rows * fields_ * vector_size_);
    backend().FieldSums(rows, fields_, vector_size_, batch.sparse, batch.fields,
                        RowsOf(1, batch, params), sums);
    if (beside_ > 0) PutBeside(batch, sums, inputs);
    float* deep_scores = deep_scores_.Reserve<float>(rows);
    layers_->Forward(params, InputsOfLayers(batch), train, deep_scores);
    backend().AddScaled(rows, 1, deep_scores, scores);
  }

  // delta is (rows): the derivative of the loss by the scores.
  void Backward(IncomingValues* params, const BatchView& batch,
                const float* delta, OutgoingGradient* grad) {
    const int64_t rows = batch.rows, keys = batch.distinct_keys;
    float* vectors_grad = grad->data() + RowsAt(1, keys);
    backend().SparseMatMulTransA(rows, keys, 1, batch.sparse, delta,
                                 grad->data() + RowsAt(0, keys));
    switch (pairs_) {
      case Pairs::kNone:
        break;
      case Pairs::kFactors:
        backend().FactorGradient(rows, keys, vector_size_, batch.sparse,
                                 RowsOf(1, batch, params), sums_.data<float>(),
                                 delta, vectors_grad);
        break;
      case Pairs::kFieldFactors:
        backend().FieldFactorGradient(
            rows, keys, fields_, vector_size_, batch.sparse, batch.fields,
            RowsOf(1, batch, params), delta, vectors_grad);
        break;
    }
    if (!layers_) {
      backend().ColumnSums(rows, 1, delta, grad->data());
      return;
    }
    float* input_grad = input_grad_.Reserve<float>(rows * InputsOfAnExample());
    layers_->Backward(params, InputsOfLayers(batch), delta, grad, input_grad);
    if (beside_ > 0) LeaveOutBeside(rows, input_grad);
    const bool shared = pairs_ != Pairs::kNone;
    const int64_t count = keys * vector_size_;
    float* of_layers =
        shared ? vectors_grad_.Reserve<float>(count) : vectors_grad;
    backend().FieldSumsGradient(rows, keys, fields_, vector_size_, batch.sparse,
                                batch.fields, input_grad, of_layers);
    if (shared) backend().AddScaled(count, 1, of_layers, vectors_grad);
  }

  // The rows of the sparse table.
  const float* RowsOf(size_t table, const BatchView& batch,
                      IncomingValues* params) const {
    return params->Read(
        RowsAt(table, batch.distinct_keys),
        batch.distinct_keys * description().sparse_tables[table].width);
  }

  int64_t InputsOfAnExample() const { return fields_ * vector_size_ + beside_; }

  // inputs(rows, fields * vector_size + beside) = sums(rows, fields *
  // vector_size) and the numbers beside the keys, side by side. In the memory
  // of the host.
  void PutBeside(const BatchView& batch, const float* sums,
                 float* inputs) const {
    const int64_t of_keys = fields_ * vector_size_;
    const float* beside = batch.beside.data();
    for (int64_t row = 0; row < batch.rows; ++row) {
      inputs = std::copy_n(sums + row * of_keys, of_keys, inputs);
      inputs = std::copy_n(beside + row * beside_, beside_, inputs);
    }
  }

  // The reverse, in place: nothing is to be learnt of the numbers.
  void LeaveOutBeside(int64_t rows, float* grad) const {
    const int64_t of_keys = fields_ * vector_size_;
    for (int64_t row = 1; row < rows; ++row) {
      std::copy_n(grad + row * (of_keys + beside_), of_keys,
                  grad + row * of_keys);
    }
  }

  // Returns the layers' view of a batch after FieldSums.
  BatchView InputsOfLayers(const BatchView& batch) const {
    BatchView view = batch;
    view.features = InputsOfAnExample();
    view.dense = {inputs_.data<float>(),
                  static_cast<size_t>(batch.rows * view.features)};
    view.sparse = {};
    return view;
  }

  const Pairs pairs_;
  const Loss loss_;
  const bool ratings_;
  const int64_t fields_;
  const int64_t vector_size_;
  const int64_t beside_;
  std::optional<LayerStack> layers_;
  BackendArray scores_;  // (rows)
  BackendArray sums_;    // (rows, vector_size), of FactorScores.
  // (rows, fields * vector_size + beside), of the layers, and their gradient.
  BackendArray inputs_, input_grad_;
  BackendArray field_sums_;    // (rows, fields, vector_size), with `beside`.
  BackendArray deep_scores_;   // (rows)
  BackendArray vectors_grad_;  // (keys, vector_size), what the layers add.
};

absl::StatusOr<ModelDescription> Describe(const KeyedSpec& spec,
                                          const ModelConfig& config) {
  if (config.features > kMaxFields) {
    return ConfigError(
        "data.train",
        absl::StrCat("the examples have ", config.features, " fields; ",
                     config.kind, " takes 1 to ", kMaxFields));
  }
  ModelDescription description;
  if (config.beside > 0 && !spec.deep) {
    return ConfigError("model.kind",
                       absl::StrCat(config.kind,
                                    " takes no numbers beside keys; wide_deep "
                                    "and deepfm do"));
  }
  description.features = config.features;
  description.beside = config.beside;
  description.outputs = 1;
  description.labels =
      spec.loss == Loss::kLogistic ? LabelKind::kBinary : LabelKind::kValue;
  description.sparse_tables.push_back({spec.weights, 1, InitRule::Zeros()});
  if (!spec.vectors.empty()) {
    const bool by_field = spec.pairs == Pairs::kFieldFactors;
    const int64_t vectors = by_field ? config.features : 1;
    if (spec.vector_size < 1 || spec.vector_size > kMaxRowFloats / vectors) {
      return ConfigError(
          spec.deep ? "model.dim" : "model.rank",
          absl::StrCat(spec.vector_size, " numbers are not possible; 1 to ",
                       kMaxRowFloats / vectors, " are"));
    }
    description.sparse_tables.push_back(
        {spec.vectors, vectors * spec.vector_size, spec.vectors_init});
  }
  if (spec.deep) {
    const std::vector<int64_t> widths = Widths(spec, config);
    EBB_RETURN_IF_ERROR(CheckLayerWidths(widths));
    description.tables = LayerTables(widths, spec.layers_init);
  } else {
    description.tables.push_back(
        {"bias", {1}, InitRule::Zeros(), /*regularized=*/false});
  }
  return description;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeKeyedModel(const KeyedSpec& spec,
                                                      const ModelConfig& config,
                                                      ComputeBackend* backend) {
  EBB_ASSIGN_OR_RETURN(ModelDescription description, Describe(spec, config));
  // Devices have memory of their own, where these numbers are not put.
  std::unique_ptr<ComputeBackend> own;
  if (config.beside > 0 && !backend->uses_host_memory()) {
    EBB_ASSIGN_OR_RETURN(own, CreateBackend({}));
    backend = own.get();
  }
  return std::make_unique<KeyedModel>(std::move(description), spec, config,
                                      backend, std::move(own));
}

absl::StatusOr<Loss> LossOfLabels(const ModelConfig& config) {
  if (config.classes == 0) return Loss::kSquared;
  if (config.classes == 2) return Loss::kLogistic;
  return ConfigError(
      "model.kind",
      absl::StrCat(config.kind,
                   " tells 2 classes apart or predicts values, but the labels "
                   "are ",
                   config.classes, " classes"),
      "labels: values");
}

absl::Status CheckTwoClasses(const ModelConfig& config) {
  if (config.classes == 2) return absl::OkStatus();
  return ConfigError(
      "model.kind",
      absl::StrCat(
          config.kind, " tells 2 classes apart, but the labels are ",
          config.classes == 0 ? "values" : absl::StrCat(config.classes)),
      config.classes == 0 ? "kind: fm" : "");
}

absl::Status AddDeepPart(const ModelConfig& config, KeyedSpec* spec) {
  constexpr int64_t kDefaultDim = 16;
  spec->deep = true;
  spec->vectors = "embeddings";
  spec->vector_size = config.dim == 0 ? kDefaultDim : config.dim;
  spec->hidden =
      config.layers.empty() ? std::vector<int64_t>{128, 64} : config.layers;
  EBB_ASSIGN_OR_RETURN(spec->activation, ParseActivation(config));
  EBB_ASSIGN_OR_RETURN(
      spec->layers_init,
      ParseWeightInit(config, spec->activation == Activation::kRelu
                                  ? WeightInit::kHe
                                  : WeightInit::kGlorot));
  if (spec->layers_init == WeightInit::kZeros) {
    return ConfigError("model.init",
                       "units of a layer that start alike stay alike",
                       "init: he");
  }
  return absl::OkStatus();
}

}  // namespace ebb::models
