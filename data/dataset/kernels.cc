#include "data/dataset/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "data/bytes/wide.h"

namespace ebb::data::internal {
namespace {

// Without branches: a NaN adds nothing and counts as nothing. As the arrays do
// not overlap, the compiler takes several columns at once.
template <typename T>
[[gnu::always_inline]] inline void Add(const T* __restrict row, size_t columns,
                                       double* __restrict count,
                                       double* __restrict mean,
                                       double* __restrict squares) {
  for (size_t j = 0; j < columns; ++j) {
    const auto x = static_cast<double>(row[j]);
    const double before = mean[j];
    const double value = x == x ? x : before;
    const double number = count[j] + static_cast<double>(x == x);
    const double delta = value - before;
    const double after = before + delta / std::max(number, 1.0);
    count[j] = number;
    mean[j] = after;
    squares[j] += delta * (value - after);
  }
}

EBB_WIDE void AddFloats(const float* row, size_t columns, double* count,
                        double* mean, double* squares) {
  Add(row, columns, count, mean, squares);
}

EBB_WIDE void AddBytes(const uint8_t* row, size_t columns, double* count,
                       double* mean, double* squares) {
  Add(row, columns, count, mean, squares);
}

}  // namespace

EBB_WIDE void ScaleBytes(std::span<const uint8_t> in, float factor,
                         float* out) {
  for (size_t j = 0; j < in.size(); ++j) {
    out[j] = static_cast<float>(in[j]) * factor;
  }
}

EBB_WIDE void ScaleBytes(std::span<const uint8_t> in, const float* factor,
                         const float* term, float* out) {
  for (size_t j = 0; j < in.size(); ++j) {
    out[j] = static_cast<float>(in[j]) * factor[j] + term[j];
  }
}

void Moments::AddRow(std::span<const float> row) {
  AddFloats(row.data(), row.size(), count_.data(), mean_.data(),
            squares_.data());
}

void Moments::AddRow(std::span<const uint8_t> row) {
  AddBytes(row.data(), row.size(), count_.data(), mean_.data(),
           squares_.data());
}

std::vector<double> Moments::Stddev() const {
  std::vector<double> stddev(squares_.size());
  for (size_t j = 0; j < stddev.size(); ++j) {
    stddev[j] = std::sqrt(squares_[j] / std::max(count_[j], 1.0));
  }
  return stddev;
}

}  // namespace ebb::data::internal
