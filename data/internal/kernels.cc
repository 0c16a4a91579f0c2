#include "data/internal/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace ebb::data::internal {
namespace {

// Without branches: a NaN adds nothing and counts as nothing.
template <typename T>
void Add(std::span<const T> row, double* count, double* mean, double* squares) {
  for (size_t j = 0; j < row.size(); ++j) {
    const auto x = static_cast<double>(row[j]);
    const bool valid = x == x;
    count[j] += valid ? 1.0 : 0.0;
    const double delta = valid ? x - mean[j] : 0.0;
    mean[j] += delta / std::max(count[j], 1.0);
    squares[j] += valid ? delta * (x - mean[j]) : 0.0;
  }
}

}  // namespace

void ScaleBytes(std::span<const uint8_t> in, float factor, float* out) {
  for (size_t j = 0; j < in.size(); ++j) {
    out[j] = static_cast<float>(in[j]) * factor;
  }
}

void ScaleBytes(std::span<const uint8_t> in, const float* factor,
                const float* term, float* out) {
  for (size_t j = 0; j < in.size(); ++j) {
    out[j] = static_cast<float>(in[j]) * factor[j] + term[j];
  }
}

void Moments::AddRow(std::span<const float> row) {
  Add(row, count_.data(), mean_.data(), squares_.data());
}

void Moments::AddRow(std::span<const uint8_t> row) {
  Add(row, count_.data(), mean_.data(), squares_.data());
}

std::vector<double> Moments::Stddev() const {
  std::vector<double> stddev(squares_.size());
  for (size_t j = 0; j < stddev.size(); ++j) {
    stddev[j] = std::sqrt(squares_[j] / std::max(count_[j], 1.0));
  }
  return stddev;
}

}  // namespace ebb::data::internal
