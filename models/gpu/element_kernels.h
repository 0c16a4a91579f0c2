// Kernels that compute element by element. ComputeBackend says what each
// computes; matrices are stored row after row.
#ifndef EBB_MODELS_GPU_ELEMENT_KERNELS_H_
#define EBB_MODELS_GPU_ELEMENT_KERNELS_H_

#include <cmath>
#include <cstdint>

#include "common/example_hash.h"
#include "models/backend.h"
#include "models/gpu/kernel.h"

namespace ebb::models::gpu {

// of(i) for each i in [0, count).
template <typename Of>
struct ForEachElement {
  static constexpr int kThreads = 256;
  using Shared = NothingShared;

  int64_t Blocks() const { return BlocksFor(CeilDivide(count, kThreads)); }
  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    team.Each([&](int thread) {
      const int64_t step = team.blocks() * kThreads;
      for (int64_t i = team.block() * kThreads + thread; i < count; i += step) {
        of(i);
      }
    });
  }

  int64_t count;
  Of of;
  bool operator==(const ForEachElement&) const = default;
};

EBB_DEVICE_CODE inline float Activated(Activation f, float x) {
  switch (f) {
    case Activation::kIdentity:
      break;
    case Activation::kRelu:
      return x < 0 ? 0 : x;  // A NaN is not, and stays.
    case Activation::kTanh:
      return tanhf(x);
    case Activation::kSigmoid:
      return 1 / (1 + expf(-x));
  }
  return x;
}

struct ActivateElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    x[i] = Activated(f, x[i]);
  }
  Activation f;
  float* x;
  bool operator==(const ActivateElement&) const = default;
};

// c(m, n) = f(c + bias(n)); no bias where it is null.
struct BiasElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    c[i] = Activated(f, bias == nullptr ? c[i] : c[i] + bias[i % n]);
  }
  Activation f;
  int64_t n;
  const float* bias;
  float* c;
  bool operator==(const BiasElement&) const = default;
};

struct ActivateBackwardElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    switch (f) {
      case Activation::kIdentity:
        break;
      case Activation::kRelu:
        if (y[i] <= 0) gradient[i] = 0;
        break;
      case Activation::kTanh:
        gradient[i] *= 1 - y[i] * y[i];
        break;
      case Activation::kSigmoid:
        gradient[i] *= y[i] * (1 - y[i]);
        break;
    }
  }
  Activation f;
  const float* y;
  float* gradient;
  bool operator==(const ActivateBackwardElement&) const = default;
};

// The shared part of the masks of one batch.
struct DropoutBatch {
  uint64_t item;  // The hash of seed, epoch and shard.
  int64_t first_position;
  bool operator==(const DropoutBatch&) const = default;
};

struct StoreDropoutBatch {
  EBB_DEVICE_CODE void operator()(int64_t) const { *at = batch; }
  DropoutBatch batch;
  DropoutBatch* at;
  bool operator==(const StoreDropoutBatch&) const = default;
};

// The masks of dropout.h: one for each two columns of a row, in all (columns +
// 1) / 2. The batch lies in memory, so that the launch is the same for all
// batches.
struct DropoutPair {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    const int64_t pairs = (columns + 1) / 2;
    const int64_t row = i / pairs, pair = i % pairs;
    const uint64_t position = HashAppend(
        batch->item, static_cast<uint64_t>(batch->first_position + row));
    const uint64_t bits =
        HashAppend(HashAppend(position, static_cast<uint64_t>(layer)),
                   static_cast<uint64_t>(pair));
    float* const out = mask + row * columns + 2 * pair;
    out[0] = (bits & 0xffffffff) >= limit ? kept : 0;
    if (2 * pair + 1 < columns) out[1] = (bits >> 32) >= limit ? kept : 0;
  }
  const DropoutBatch* batch;
  int32_t layer;
  uint64_t limit;  // rate * 2^32
  float kept;      // 1 / (1 - rate)
  int64_t columns;
  float* mask;
  bool operator==(const DropoutPair&) const = default;
};

struct MultiplyElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const { z[i] = x[i] * y[i]; }
  const float* x;
  const float* y;
  float* z;
  bool operator==(const MultiplyElement&) const = default;
};

struct AddScaledElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const { y[i] += alpha * x[i]; }
  float alpha;
  const float* x;
  float* y;
  bool operator==(const AddScaledElement&) const = default;
};

struct AddScaledRowElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    y[i] += alpha * scale[i / n] * x[i];
  }
  int64_t n;
  float alpha;
  const float* scale;
  const float* x;
  float* y;
  bool operator==(const AddScaledRowElement&) const = default;
};

struct ScaleElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const { x[i] *= alpha; }
  float alpha;
  float* x;
  bool operator==(const ScaleElement&) const = default;
};

// *factor = what ComputeBackend::ClipMean scales by.
struct ClipFactor {
  EBB_DEVICE_CODE void operator()(int64_t) const {
    const double norm = sqrt(*squares) / static_cast<double>(rows);
    // Neither for a norm that is not finite, nor for a NaN.
    const bool clip = norm > most && norm < INFINITY;
    *factor = clip ? static_cast<float>(most / norm) : 1.0f;
  }
  int64_t rows;
  double most;
  const double* squares;
  float* factor;
  bool operator==(const ClipFactor&) const = default;
};

struct ScaleByElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    if (*factor != 1) x[i] *= *factor;
  }
  const float* factor;
  float* x;
  bool operator==(const ScaleByElement&) const = default;
};

EBB_DEVICE_CODE inline double Sigmoid(double score) {
  if (score >= 0) return 1 / (1 + exp(-score));
  const double e = exp(score);
  return e / (1 + e);
}

struct ProbabilityElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    scores[i] = static_cast<float>(Sigmoid(scores[i]));
  }
  float* scores;
  bool operator==(const ProbabilityElement&) const = default;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_ELEMENT_KERNELS_H_
