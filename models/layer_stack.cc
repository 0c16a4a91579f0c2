#include "models/layer_stack.h"

namespace ebb::models {

LayerStack::LayerStack(const std::vector<int64_t>& widths,
                       Activation activation, double dropout, uint64_t seed,
                       ComputeBackend* backend)
    : activation_(activation),
      dropout_(static_cast<float>(dropout)),
      seed_(seed),
      backend_(backend),
      deltas_{BackendArray(backend), BackendArray(backend)} {
  int64_t offset = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    Layer layer = {widths[i], widths[i + 1], offset, 0};
    layer.bias = offset + layer.weight_count();
    offset = layer.bias + layer.outputs;
    layers_.push_back(layer);
    if (i > 0) hidden_.emplace_back(backend);
  }
}

// After it, InputsOf(i) are the inputs of each layer i > 0.
void LayerStack::Forward(IncomingValues* params, const BatchView& batch,
                         bool train, float* scores) {
  const int64_t rows = batch.rows;
  const bool drop = train && dropout_ > 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
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

void LayerStack::Drop(size_t i, const BatchView& batch, const float* units) {
  const int64_t count = batch.rows * layers_[i].outputs;
  const DropoutKey key = {seed_, batch.epoch, batch.shard, batch.first_position,
                          static_cast<int32_t>(i)};
  float* mask = hidden_[i].mask.Reserve<float>(count);
  backend_->DropoutMask(key, dropout_, batch.rows, layers_[i].outputs, mask);
  backend_->Multiply(count, units, mask,
                     hidden_[i].dropped.Reserve<float>(count));
}

// What layer i > 0 read in the last forward pass.
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
    backend_->ColumnSums(rows, layer.outputs, delta, grad->data() + layer.bias);
    if (i == 0 && batch.is_sparse()) {
      backend_->SparseMatMulTransA(rows, layer.inputs, layer.outputs,
                                   batch.sparse, delta, weights_grad);
    } else {
      const float* in = i == 0 ? batch.dense.data() : InputsOf(i, drop);
      backend_->MatMulTransA(rows, layer.inputs, layer.outputs, in, delta,
                             weights_grad);
    }
    grad->Finished(layer.weights, layer.weight_count() + layer.outputs);
    if (i == 0 && input_grad == nullptr) return;
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
