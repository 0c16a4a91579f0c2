#include "workloads/kmeans/model/kmeans_plus_plus.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "Eigen/Core"
#include "common/example_hash.h"

namespace ebb::workloads {

namespace {

using models::BatchView;
using models::CsrView;
using Values = Eigen::Map<const Eigen::ArrayXf>;

// Evenly in [0, 1), one after the other.
class UniformNumbers {
 public:
  explicit UniformNumbers(uint64_t seed)
      : stream_(HashAppend(HashAppend(0, kDomain), seed)) {}
  double Next() { return UnitOf(HashAppend(stream_, next_++)); }

 private:
  static constexpr uint64_t kDomain = 0x6b2d6d65616e7321;  // "k-means!"
  const uint64_t stream_;
  uint64_t next_ = 0;
};

// The distances of examples, dense or sparse, to one of them.
class Distances {
 public:
  explicit Distances(const BatchView& examples)
      : examples_(examples), point_(examples.features) {
    if (!examples.is_sparse()) return;
    differences_.resize(examples.features);
    squares_.resize(examples.rows);
    for (int64_t row = 0; row < examples.rows; ++row) {
      SetPoint(row);
      squares_[row] = point_square_;
    }
  }

  // From now on distances are those to this example.
  void SetPoint(int64_t row) {
    if (!examples_.is_sparse()) {
      const float* const values =
          examples_.dense.data() + row * examples_.features;
      std::copy_n(values, point_.size(), point_.begin());
      return;
    }
    std::ranges::fill(point_, 0.0f);
    point_row_ = row;
    const CsrView& rows = examples_.sparse;
    for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1];
         ++e) {
      point_[rows.columns[e]] += rows.values[e];
    }
    point_square_ =
        Values(point_.data(), examples_.features).cast<double>().square().sum();
  }
  const std::vector<float>& point() const { return point_; }

  double SquaredTo(int64_t row) const {
    const int64_t features = examples_.features;
    if (!examples_.is_sparse()) {
      return (Values(examples_.dense.data() + row * features, features) -
              Values(point_.data(), features))
          .square()
          .sum();
    }
    const CsrView& rows = examples_.sparse;
    double product = 0;
    for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1];
         ++e) {
      product += static_cast<double>(rows.values[e]) *
                 static_cast<double>(point_[rows.columns[e]]);
    }
    const double squares = squares_[row] + point_square_;
    const double distance = squares - 2 * product;
    // Fewer than 10 of the 16 digits are left below that.
    constexpr double kLeast = 1e-6;
    return distance >= kLeast * squares ? distance : SumOfDifferences(row);
  }

 private:
  // The same of a sparse example that is near.
  double SumOfDifferences(int64_t row) const {
    const auto for_each = [&](int64_t of, const auto& visit) {
      const CsrView& rows = examples_.sparse;
      const int64_t end = rows.row_offsets[of + 1];
      for (int64_t e = rows.row_offsets[of]; e < end; ++e) {
        visit(static_cast<double>(rows.values[e]),
              differences_[rows.columns[e]]);
      }
    };
    for_each(row,
             [](double value, double& difference) { difference += value; });
    for_each(point_row_,
             [](double value, double& difference) { difference -= value; });
    double sum = 0;
    const auto take = [&](double /*value*/, double& difference) {
      sum += difference * difference;
      difference = 0;
    };
    for_each(row, take);
    for_each(point_row_, take);
    return sum;
  }

  const BatchView& examples_;
  std::vector<double> squares_;  // Squares of the lengths of sparse examples.
  std::vector<float> point_;
  // If examples are sparse.
  double point_square_ = 0;
  int64_t point_row_ = 0;
  mutable std::vector<double> differences_;  // By feature; 0 between calls.
};

class Seeding {
 public:
  Seeding(const BatchView& examples, uint64_t seed,
          std::span<const double> weights)
      : rows_(examples.rows),
        weights_(weights),
        numbers_(seed),
        to_(examples),
        distances_(rows_, std::numeric_limits<double>::infinity()) {}

  std::vector<float> Choose(int64_t k, absl::FunctionRef<void()> step) {
    std::vector<float> chosen;
    Take(First(), &chosen);
    const auto trials =
        static_cast<int64_t>(2 + std::log(static_cast<double>(k)));
    for (int64_t i = 1; i < k; ++i) {
      int64_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (int64_t trial = 0; trial < trials; ++trial) {
        const int64_t row = Draw([this](int64_t r) { return distances_[r]; });
        const double left = DistancesWith(row);
        if (left >= least) continue;
        least = left;
        best = row;
      }
      Take(best, &chosen);
      step();
    }
    return chosen;
  }

 private:
  double WeightOf(int64_t row) const {
    return weights_.empty() ? 1 : weights_[row];
  }

  int64_t First() {
    if (!weights_.empty()) return Draw([](int64_t) { return 1.0; });
    return std::min(
        rows_ - 1,
        static_cast<int64_t>(numbers_.Next() * static_cast<double>(rows_)));
  }

  void Take(int64_t row, std::vector<float>* chosen) {
    to_.SetPoint(row);
    for (int64_t r = 0; r < rows_; ++r) {
      distances_[r] = std::min(distances_[r], to_.SquaredTo(r));
    }
    chosen->insert(chosen->end(), to_.point().begin(), to_.point().end());
  }

  // With a chance in proportion to its weight and to what the function says.
  template <typename Function>
  int64_t Draw(Function of) {
    double sum = 0;
    for (int64_t r = 0; r < rows_; ++r) sum += WeightOf(r) * of(r);
    double left = numbers_.Next() * sum;
    for (int64_t r = 0; r < rows_; ++r) {
      left -= WeightOf(r) * of(r);
      if (left < 0) return r;
    }
    return rows_ - 1;  // All are where one is that was chosen.
  }

  double DistancesWith(int64_t row) {
    to_.SetPoint(row);
    double sum = 0;
    for (int64_t r = 0; r < rows_; ++r) {
      sum += WeightOf(r) * std::min(distances_[r], to_.SquaredTo(r));
    }
    return sum;
  }

  const int64_t rows_;
  const std::span<const double> weights_;
  UniformNumbers numbers_;
  Distances to_;
  // From each example to the nearest that was chosen, squared.
  std::vector<double> distances_;
};

}  // namespace

std::vector<float> KMeansPlusPlus(const BatchView& examples, int64_t k,
                                  uint64_t seed,
                                  std::span<const double> weights,
                                  absl::FunctionRef<void()> step) {
  return Seeding(examples, seed, weights).Choose(k, step);
}

}  // namespace ebb::workloads
