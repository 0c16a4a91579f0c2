// The loops over whole data sets and batches, written so that the compiler
// vectorises them.
#ifndef EBB_DATA_DATASET_KERNELS_H_
#define EBB_DATA_DATASET_KERNELS_H_

#include <cstdint>
#include <span>
#include <vector>

namespace ebb::data::internal {

// out[j] = in[j] * factor.
void ScaleBytes(std::span<const uint8_t> in, float factor, float* out);
// out[j] = in[j] * factor[j] + term[j].
void ScaleBytes(std::span<const uint8_t> in, const float* factor,
                const float* term, float* out);

// Mean and population standard deviation of each column in one pass (Welford
// 1962, "Note on a method for calculating corrected sums of squares"): no
// cancellation, and a constant column has deviation exactly 0. Skips NaN.
class Moments {
 public:
  explicit Moments(int64_t columns)
      : count_(columns), mean_(columns), squares_(columns) {}

  void AddRow(std::span<const float> row);
  void AddRow(std::span<const uint8_t> row);

  // The number of values of each column that were not NaN.
  const std::vector<double>& count() const { return count_; }
  const std::vector<double>& mean() const { return mean_; }
  std::vector<double> Stddev() const;

 private:
  std::vector<double> count_;
  std::vector<double> mean_;
  std::vector<double> squares_;  // Sums of the squared distances from the mean.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_DATASET_KERNELS_H_
