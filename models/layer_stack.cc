#include "models/layer_stack.h"

#include <algorithm>

namespace ebb::models {

namespace {

constexpr int64_t kMostKeptBytes = int64_t{1} << 30;

bool Has(const std::vector<bool>& all, size_t i) {
  return i < all.size() && all[i];
}

}  // namespace

LayerStack::LayerStack(const std::vector<int64_t>& widths,
                       Activation activation, double dropout, uint64_t seed,
                       ComputeBackend* backend, const FrozenLayers& frozen)
    : activation_(activation),
      dropout_(static_cast<float>(dropout)),
      seed_(seed),
      backend_(backend),
      deltas_{BackendArray(backend), BackendArray(backend)},
      made_(backend),
      between_{BackendArray(backend), BackendArray(backend)} {
  int64_t offset = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    Layer layer = {widths[i], widths[i + 1], offset, 0};
    layer.bias = offset + layer.weight_count();
    offset = layer.bias + layer.outputs;
    layer.trains_weights = !Has(frozen.weights, i);
    layer.trains_bias = !Has(frozen.bias, i);
    layers_.push_back(layer);
    if (i > 0) hidden_.emplace_back(backend);
  }
  while (lowest_trained_ < layers_.size() &&
         !layers_[lowest_trained_].trains_weights &&
         !layers_[lowest_trained_].trains_bias) {
    ++lowest_trained_;
  }
  if (!backend->has_rows_apart()) return;
  kept_layers_ = std::min(lowest_trained_, hidden_.size());
  if (dropout_ > 0) kept_layers_ = std::min<size_t>(kept_layers_, 1);
  if (kept_layers_ == 0) return;
  MutexLock lock(&kept_mu_);
  kept_.emplace(frozen.examples, layers_[kept_layers_ - 1].outputs);
  kept_->KeepAtMost(kMostKeptBytes);
}

void LayerStack::KeepAtMost(int64_t bytes) {
  MutexLock lock(&kept_mu_);
  if (kept_) kept_->KeepAtMost(bytes);
}

int64_t LayerStack::kept_bytes() const {
  MutexLock lock(&kept_mu_);
  return kept_ ? kept_->most_bytes() : 0;
}

// After it, InputsOf(i) are the inputs of each layer i > 0.
void LayerStack::Forward(IncomingValues* params, const BatchView& batch,
                         bool train, float* scores) {
  const int64_t rows = batch.rows;
  const bool drop = train && dropout_ > 0;
  const size_t first = train ? kept_layers_ : 0;
  if (first > 0) {
    ForwardKept(params, batch);
    if (drop) Drop(first - 1, batch, hidden_[first - 1].units.data<float>());
  }
  for (size_t i = first; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const float* weights = params->Read(layer.weights, layer.weight_count());
    const float* bias = params->Read(layer.bias, layer.outputs);
    const int64_t count = rows * layer.outputs;
    const bool is_last = i + 1 == layers_.size();
    float* out = is_last ? scores : hidden_[i].units.Reserve<float>(count);
    const Activation f = is_last ? Activation::kIdentity : activation_;
    if (i == 0 && batch.is_sparse()) {
      backend_->SparseMatMul(rows, layer.outputs, batch.sparse, weights, bias,
                             out);
      if (!is_last) backend_->Activate(f, count, out);
    } else {
      const float* in = i == 0 ? batch.dense.data() : InputsOf(i, drop);
      backend_->MatMulActivate(f, rows, layer.inputs, layer.outputs, in,
                               weights, bias, out);
    }
    if (is_last) return;
    if (drop) Drop(i, batch, out);
  }
}

void LayerStack::ForwardKept(IncomingValues* params, const BatchView& batch) {
  const int64_t width = layers_[kept_layers_ - 1].outputs;
  float* const units =
      hidden_[kept_layers_ - 1].units.Reserve<float>(batch.rows * width);
  const bool numbered = !batch.training_numbers.empty();
  missing_.clear();
  {
    MutexLock lock(&kept_mu_);
    for (int64_t row = 0; row < batch.rows; ++row) {
      const float* const kept =
          numbered ? kept_->Find(batch.training_numbers[row]) : nullptr;
      if (kept == nullptr) {
        missing_.push_back(row);
      } else {
        std::copy_n(kept, width, units + row * width);
      }
    }
  }
  if (missing_.empty()) return;
  const auto count = static_cast<int64_t>(missing_.size());
  const bool all = count == batch.rows;
  float* const made = all ? units : made_.Reserve<float>(count * width);
  ForwardApart(params, all ? batch : Gather(batch, missing_), made);
  MutexLock lock(&kept_mu_);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = missing_[i];
    if (!all) std::copy_n(made + i * width, width, units + row * width);
    if (numbered) kept_->Put(batch.training_numbers[row], made + i * width);
  }
}

void LayerStack::ForwardApart(IncomingValues* params, const BatchView& batch,
                              float* out) {
  const float* in = batch.dense.data();
  for (size_t i = 0; i < kept_layers_; ++i) {
    const Layer& layer = layers_[i];
    const float* weights = params->Read(layer.weights, layer.weight_count());
    const float* bias = params->Read(layer.bias, layer.outputs);
    const int64_t count = batch.rows * layer.outputs;
    float* to =
        i + 1 == kept_layers_ ? out : between_[i % 2].Reserve<float>(count);
    if (i == 0 && batch.is_sparse()) {
      backend_->SparseMatMul(batch.rows, layer.outputs, batch.sparse, weights,
                             bias, to);
    } else {
      backend_->MatMulRowsApart(batch.rows, layer.inputs, layer.outputs, in,
                                weights, bias, to);
    }
    backend_->ActivateRowsApart(activation_, batch.rows, layer.outputs, to);
    in = to;
  }
}

BatchView LayerStack::Gather(const BatchView& batch,
                             const std::vector<int64_t>& rows) {
  BatchView some;
  some.rows = static_cast<int64_t>(rows.size());
  some.features = batch.features;
  if (!batch.is_sparse()) {
    dense_.clear();
    for (const int64_t row : rows) {
      const auto from = batch.dense.begin() + row * batch.features;
      dense_.insert(dense_.end(), from, from + batch.features);
    }
    some.dense = dense_;
    return some;
  }
  row_offsets_.assign(1, 0);
  columns_.clear();
  values_.clear();
  for (const int64_t row : rows) {
    const int64_t begin = batch.sparse.row_offsets[row];
    const int64_t end = batch.sparse.row_offsets[row + 1];
    columns_.insert(columns_.end(), batch.sparse.columns.begin() + begin,
                    batch.sparse.columns.begin() + end);
    values_.insert(values_.end(), batch.sparse.values.begin() + begin,
                   batch.sparse.values.begin() + end);
    row_offsets_.push_back(static_cast<int64_t>(columns_.size()));
  }
  some.sparse = {row_offsets_, columns_, values_};
  return some;
}

void LayerStack::Drop(size_t i, const BatchView& batch, const float* units) {
  const int64_t count = batch.rows * layers_[i].outputs;
  const DropoutKey key = {seed_, batch.epoch, batch.shard, batch.first_position,
                          static_cast<int32_t>(i)};
  float* mask = hidden_[i].mask.Reserve<float>(count);
  backend_->DropoutMask(key, dropout_, batch.rows, layers_[i].outputs, mask);
  backend_->Multiply(count, units, mask,
                     hidden_[i].dropped.Reserve<float>(count));
}

// Returns what layer i > 0 read in the last forward pass.
const float* LayerStack::InputsOf(size_t i, bool drop) const {
  const Hidden& below = hidden_[i - 1];
  return (drop ? below.dropped : below.units).data<float>();
}

void LayerStack::Backward(IncomingValues* params, const BatchView& batch,
                          const float* delta, OutgoingGradient* grad,
                          float* input_grad) {
  const int64_t rows = batch.rows;
  const bool drop = dropout_ > 0;
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    float* weights_grad = grad->data() + layer.weights;
    if (layer.trains_bias) {
      backend_->ColumnSums(rows, layer.outputs, delta,
                           grad->data() + layer.bias);
    }
    if (!layer.trains_weights) {
      // Only what lies below learns.
    } else if (i == 0 && batch.is_sparse()) {
      backend_->SparseMatMulTransA(rows, layer.inputs, layer.outputs,
                                   batch.sparse, delta, weights_grad);
    } else {
      const float* in = i == 0 ? batch.dense.data() : InputsOf(i, drop);
      backend_->MatMulTransA(rows, layer.inputs, layer.outputs, in, delta,
                             weights_grad);
    }
    if (layer.trains_weights || layer.trains_bias) {
      grad->Finished(layer.weights, layer.weight_count() + layer.outputs);
    }
    if (i <= lowest_trained_ && input_grad == nullptr) return;
    const int64_t count = rows * layer.inputs;
    float* below = i == 0 ? input_grad : deltas_[i % 2].Reserve<float>(count);
    backend_->MatMulTransB(rows, layer.outputs, layer.inputs, delta,
                           params->Read(layer.weights, layer.weight_count()),
                           below);
    if (i == 0) return;
    const Hidden& hidden = hidden_[i - 1];
    if (drop) {
      backend_->Multiply(count, below, hidden.mask.data<float>(), below);
    }
    backend_->ActivateBackward(activation_, count, hidden.units.data<float>(),
                               below);
    delta = below;
  }
}

}  // namespace ebb::models
