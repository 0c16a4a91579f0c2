// Layers of weights with a function after each but the last: the part that
// perceptrons and the models with embeddings share.
#ifndef EBB_MODELS_LAYER_STACK_H_
#define EBB_MODELS_LAYER_STACK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "models/backend.h"
#include "models/batch.h"
#include "models/incoming_values.h"
#include "models/kept_rows.h"
#include "models/outgoing_gradient.h"

namespace ebb::models {

// Which tables of a stack are frozen: their values never change, and their
// gradient is not computed.
struct FrozenLayers {
  // By layer. Shorter: no further ones are frozen.
  std::vector<bool> weights, bias;
  // The numbers of examples (BatchView::training_numbers) are below it.
  int64_t examples = 0;
};

// Not thread-safe, but for KeepAtMost and kept_bytes. All pointers, and what
// batches point to, are the back end's memory. Values and gradient begin with
// those of the layers.
//
// If the lowest layers are frozen, their outputs for an example are always the
// same. Backward stops above them. Forward in training keeps their outputs by
// the number of the example, and next time computes the layers above alone. The
// bits are those without anything kept, for these layers compute rows apart
// (ComputeBackend). With dropout only the outputs of the first layer are kept,
// for what is dropped there changes those above.
class LayerStack {
 public:
  // `widths`, at least two, go from the inputs to the outputs. The parameters
  // are, of each layer, weights (inputs, outputs) and bias (outputs). `seed`
  // and the batch decide what dropout leaves out. The back end is not owned
  // and outlives the stack.
  LayerStack(const std::vector<int64_t>& widths, Activation activation,
             double dropout, uint64_t seed, ComputeBackend* backend,
             const FrozenLayers& frozen = {});

  int64_t outputs() const { return layers_.back().outputs; }
  // Bounds the outputs of frozen layers that are kept, in bytes. Without a call
  // 1 GiB. What is beyond the bound is given up.
  void KeepAtMost(int64_t bytes);
  // The most that they may come to take.
  int64_t kept_bytes() const;

  // Overwrites scores(rows, outputs()) with what the layers make of the rows
  // of `batch`, dense or sparse. With `train`, hidden units are dropped.
  void Forward(IncomingValues* params, const BatchView& batch, bool train,
               float* scores);

  // After Forward with `train` on the same batch and parameters: overwrites
  // and finishes its part of `grad`, which is laid out as the parameters are,
  // given the derivative of the loss by the scores, delta(rows, outputs()).
  // Frozen tables keep what was there.
  // With `input_grad`, which may be null and needs a dense batch, also the
  // derivative by the inputs (rows, inputs).
  void Backward(IncomingValues* params, const BatchView& batch,
                const float* delta, OutgoingGradient* grad, float* input_grad);

 private:
  struct Layer {
    int64_t weight_count() const { return inputs * outputs; }

    int64_t inputs = 0;
    int64_t outputs = 0;
    // In the flat vector of parameters.
    int64_t weights = 0;
    int64_t bias = 0;
    bool trains_weights = true;
    bool trains_bias = true;
  };

  // Results of the forward pass for the backward pass, per hidden layer.
  struct Hidden {
    explicit Hidden(ComputeBackend* backend)
        : units(backend), mask(backend), dropped(backend) {}

    BackendArray units;    // (rows, outputs), after the activation.
    BackendArray mask;     // (rows, outputs)
    BackendArray dropped;  // units * mask: the inputs of the next layer.
  };

  void Drop(size_t i, const BatchView& batch, const float* units);
  // Writes the outputs of the kept_layers_ lowest layers to their hidden units.
  void ForwardKept(IncomingValues* params, const BatchView& batch);
  // The same for rows of which nothing is kept.
  void ForwardApart(IncomingValues* params, const BatchView& batch, float* out);
  // The examples of `rows`, in memory of this stack.
  BatchView Gather(const BatchView& batch, const std::vector<int64_t>& rows);
  const float* InputsOf(size_t i, bool drop) const;

  const Activation activation_;
  const float dropout_;
  const uint64_t seed_;
  ComputeBackend* const backend_;  // Not owned.
  std::vector<Layer> layers_;
  std::vector<Hidden> hidden_;
  BackendArray deltas_[2];  // In turns: one is read while one is written.
  // Below this layer all is frozen.
  size_t lowest_trained_ = 0;
  // The lowest layers whose outputs are kept: none if 0.
  size_t kept_layers_ = 0;
  // Held while rows are copied, and not while they are computed.
  mutable Mutex kept_mu_;
  std::optional<KeptRows> kept_ ABSL_GUARDED_BY(kept_mu_);
  std::vector<int64_t> missing_;  // Rows of a batch that are not kept.
  BackendArray made_;             // Their outputs, ...
  BackendArray between_[2];       // ... between the layers, in turns.
  std::vector<float> dense_, values_;
  std::vector<int64_t> row_offsets_;
  std::vector<int32_t> columns_;
};

}  // namespace ebb::models

#endif  // EBB_MODELS_LAYER_STACK_H_
