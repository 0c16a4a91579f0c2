#include "models/internal/host_backend.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "glog/logging.h"
#include "models/dropout.h"

namespace ebb::models::internal {
namespace {

double SquaredLoss(float label, float score, float* gradient) {
  const double error = double{score} - label;
  if (gradient != nullptr) *gradient = static_cast<float>(error);
  return error * error / 2;
}

// 1 / (1 + exp(-score)), without overflow on either side.
double Sigmoid(double score) {
  if (score >= 0) return 1 / (1 + std::exp(-score));
  const double e = std::exp(score);
  return e / (1 + e);
}

double LogisticLoss(float label, float score, float* gradient) {
  const bool positive = label > 0;
  if (gradient != nullptr) {
    // Sigmoid(score) - 1 would cancel; the mirror image does not.
    *gradient = static_cast<float>(positive ? -Sigmoid(-double{score})
                                            : Sigmoid(score));
  }
  const double margin = positive ? score : -double{score};
  return std::max(-margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
}

// log(sum of exp(scores)), and with `softmax`, which may be `scores`, the
// exponentials over their sum. Any NaN among the scores makes all NaN.
double LogSumExp(int64_t columns, const float* scores, float* softmax) {
  const float largest = *std::max_element(scores, scores + columns);
  float sum = 0;
  for (int64_t j = 0; j < columns; ++j) {
    const float e = std::exp(scores[j] - largest);
    sum += e;
    if (softmax != nullptr) softmax[j] = e;
  }
  if (softmax != nullptr) {
    for (int64_t j = 0; j < columns; ++j) softmax[j] /= sum;
  }
  return double{largest} + std::log(double{sum});
}

}  // namespace

void* HostBackend::Allocate(int64_t bytes) {
  constexpr int64_t kAlignment = 64;
  const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, std::max(rounded, kAlignment));
  CHECK(memory != nullptr) << "out of memory: " << bytes << " bytes";
  return memory;
}

void HostBackend::Free(void* memory) { std::free(memory); }

void HostBackend::CopyIn(const void* host, int64_t bytes, void* memory) {
  std::memcpy(memory, host, bytes);
}

void HostBackend::CopyOut(const void* memory, int64_t bytes, void* host) {
  std::memcpy(host, memory, bytes);
}

void HostBackend::DropoutMask(const DropoutKey& key, float rate, int64_t rows,
                              int64_t columns, float* mask) {
  FillDropoutMask(key, rate, rows, columns, mask);
}

void HostBackend::ComputeLoss(Loss loss, int64_t rows, int64_t columns,
                              const float* labels, const float* scores,
                              float* gradient, LossSums* total) {
  LossSums sums;
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = scores + r * columns;
    float* out = gradient == nullptr ? nullptr : gradient + r * columns;
    switch (loss) {
      case Loss::kSquared:
        sums.loss += SquaredLoss(labels[r], row[0], out);
        break;
      case Loss::kLogistic:
        sums.correct += (row[0] > 0) == (labels[r] > 0);
        sums.loss += LogisticLoss(labels[r], row[0], out);
        break;
      case Loss::kSoftmax: {
        const auto label = static_cast<int64_t>(labels[r]);
        const double score = row[label];
        sums.correct += std::max_element(row, row + columns) - row == label;
        sums.loss += LogSumExp(columns, row, out) - score;
        if (out != nullptr) out[label] -= 1;
        break;
      }
    }
  }
  *total = sums;
}

void HostBackend::ScoresToOutputs(Loss loss, int64_t rows, int64_t columns,
                                  float* scores) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * columns;
    switch (loss) {
      case Loss::kSquared:
        break;
      case Loss::kLogistic:
        row[0] = static_cast<float>(Sigmoid(row[0]));
        break;
      case Loss::kSoftmax:
        LogSumExp(columns, row, row);
        break;
    }
  }
}

void HostBackend::ClipMean(int64_t rows, double most, const double* squares,
                           int64_t count, float* x) {
  const double norm = std::sqrt(*squares) / static_cast<double>(rows);
  if (std::isfinite(norm) && norm > most) {
    Scale(count, static_cast<float>(most / norm), x);
  }
}

}  // namespace ebb::models::internal
