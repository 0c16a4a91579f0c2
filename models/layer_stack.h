// Layers of weights with a function after each but the last: the part that
// perceptrons and the models with embeddings share.
#ifndef EBB_MODELS_LAYER_STACK_H_
#define EBB_MODELS_LAYER_STACK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/backend.h"
#include "models/batch.h"
#include "models/incoming_values.h"
#include "models/outgoing_gradient.h"

namespace ebb::models {

// Not thread-safe. All pointers, and what batches point to, are the back end's
// memory. Values and gradient begin with those of the layers.
class LayerStack {
 public:
  // `widths`, at least two, go from the inputs to the outputs. The parameters
  // are, of each layer, weights (inputs, outputs) and bias (outputs). `seed`
  // and the batch decide what dropout leaves out. The back end is not owned
  // and outlives the stack.
  LayerStack(const std::vector<int64_t>& widths, Activation activation,
             double dropout, uint64_t seed, ComputeBackend* backend);

  int64_t outputs() const { return layers_.back().outputs; }

  // Overwrites scores(rows, outputs()) with what the layers make of the rows
  // of `batch`, dense or sparse. With `train`, hidden units are dropped.
  void Forward(IncomingValues* params, const BatchView& batch, bool train,
               float* scores);

  // After Forward with `train` on the same batch and parameters: overwrites
  // and finishes its part of `grad`, which is laid out as the parameters are,
  // given the derivative of the loss by the scores, delta(rows, outputs()).
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
  const float* InputsOf(size_t i, bool drop) const;

  const Activation activation_;
  const float dropout_;
  const uint64_t seed_;
  ComputeBackend* const backend_;  // Not owned.
  std::vector<Layer> layers_;
  std::vector<Hidden> hidden_;
  BackendArray deltas_[2];  // In turns: one is read while one is written.
};

}  // namespace ebb::models

#endif  // EBB_MODELS_LAYER_STACK_H_
