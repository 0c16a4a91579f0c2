#include "models/nearest_centroids.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "Eigen/Core"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::models {

namespace {

using Values = Eigen::Map<const Eigen::ArrayXf>;

// So that the examples of a block stay in the second cache from their product
// to the next use.
constexpr int64_t kBlockFloats = int64_t{1} << 16;
constexpr int64_t kLeastRows = 16;
// Origins nearer than this many times the farthest centroid cost few bits.
constexpr float kNear = 4;

bool Same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace

void NearestCentroids::Take(std::span<const float> centroids,
                            std::span<const float> sizes) {
  std::vector<bool> empty(clusters_);
  for (size_t k = 0; k < sizes.size(); ++k) empty[k] = sizes[k] == 0;
  if (Same(centroids, centroids_) && empty == empty_) return;
  centroids_.assign(centroids.begin(), centroids.end());
  empty_ = std::move(empty);
  ready_ = For::kNothing;
}

void NearestCentroids::PrepareFor(For examples) {
  if (ready_ == examples) return;
  ready_ = examples;
  origin_.clear();
  moved_centroids_.clear();
  columns_.clear();
  if (examples == For::kDense) {
    ChooseOrigin();
  } else {
    TurnCentroids();
  }
  squares_.resize(clusters_);
  half_squares_.resize(clusters_);
  lengths_.resize(clusters_);
  for (int64_t k = 0; k < clusters_; ++k) {
    squares_[k] = Values(FromOrigin() + k * features_, features_)
                      .cast<double>()
                      .square()
                      .sum();
    half_squares_[k] = empty_[k] ? std::numeric_limits<float>::infinity()
                                 : static_cast<float>(squares_[k] / 2);
    lengths_[k] = empty_[k] ? 0 : static_cast<float>(std::sqrt(squares_[k]));
  }
}

const float* NearestCentroids::FromOrigin() const {
  return origin_.empty() ? centroids_.data() : moved_centroids_.data();
}

void NearestCentroids::TurnCentroids() {
  using Matrix =
      Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  columns_.resize(centroids_.size());
  Eigen::Map<Matrix>(columns_.data(), features_, clusters_) =
      Eigen::Map<const Matrix>(centroids_.data(), clusters_, features_)
          .transpose();
}

void NearestCentroids::ChooseOrigin() {
  Eigen::ArrayXd mean = Eigen::ArrayXd::Zero(features_);
  int64_t used = 0;
  for (int64_t k = 0; k < clusters_; ++k) {
    if (empty_[k]) continue;
    mean += Values(centroids_.data() + k * features_, features_).cast<double>();
    ++used;
  }
  if (used > 0) mean /= static_cast<double>(used);
  origin_.resize(features_);
  Eigen::Map<Eigen::ArrayXf>(origin_.data(), features_) = mean.cast<float>();
  moved_centroids_.resize(clusters_ * features_);
  float farthest = 0;
  for (int64_t k = 0; k < clusters_; ++k) {
    Eigen::Map<Eigen::ArrayXf> moved(moved_centroids_.data() + k * features_,
                                     features_);
    moved = Values(centroids_.data() + k * features_, features_) -
            Values(origin_.data(), features_);
    if (!empty_[k]) {
      farthest = std::max(farthest, moved.square().sum());
    }
  }
  const float distance = Values(origin_.data(), features_).square().sum();
  if (distance <= kNear * kNear * farthest) {
    origin_.clear();
    moved_centroids_.clear();
  }
}

absl::Status NearestCentroids::Check(const BatchView& batch) const {
  if (batch.is_keyed()) {
    return absl::InvalidArgumentError("kmeans takes no examples of keys");
  }
  const bool whole = batch.is_sparse() ||
                     std::ssize(batch.dense) == batch.rows * batch.features;
  if (batch.features != features_ || !whole) {
    return absl::InvalidArgumentError(absl::StrCat(
        "examples of ", batch.features, " features instead of ", features_));
  }
  return absl::OkStatus();
}

absl::Status NearestCentroids::Find(const BatchView& batch, Found found) {
  EBB_RETURN_IF_ERROR(Check(batch));
  if (batch.is_sparse()) {
    FindSparse(batch, found);
  } else {
    FindDense(batch, found);
  }
  return absl::OkStatus();
}

void NearestCentroids::FindDense(const BatchView& batch, Found found) {
  PrepareFor(For::kDense);
  const int64_t block =
      std::max(kLeastRows, kBlockFloats / std::max<int64_t>(1, features_));
  products_.resize(std::min(block, batch.rows) * clusters_);
  for (int64_t begin = 0; begin < batch.rows; begin += block) {
    const int64_t rows = std::min(block, batch.rows - begin);
    const float* const examples = batch.dense.data() + begin * features_;
    const float* moved = examples;
    if (!origin_.empty()) {
      moved_examples_.resize(block * features_);
      for (int64_t row = 0; row < rows; ++row) {
        Eigen::Map<Eigen::ArrayXf>(moved_examples_.data() + row * features_,
                                   features_) =
            Values(examples + row * features_, features_) -
            Values(origin_.data(), features_);
      }
      moved = moved_examples_.data();
    }
    backend_.MatMulTransB(rows, features_, clusters_, moved, FromOrigin(),
                          products_.data());
    for (int64_t row = 0; row < rows; ++row) {
      const float length =
          std::sqrt(Values(moved + row * features_, features_).square().sum());
      const Values example(examples + row * features_, features_);
      found(begin + row,
            NearestOf(products_.data() + row * clusters_, length, features_,
                      [&](int64_t k) {
                        return (example.cast<double>() -
                                Values(centroids_.data() + k * features_,
                                       features_)
                                    .cast<double>())
                            .square()
                            .sum();
                      }));
    }
  }
}

// Sparse examples are not moved: they would not be sparse any more.
void NearestCentroids::FindSparse(const BatchView& batch, Found found) {
  const CsrView& rows = batch.sparse;
  PrepareFor(For::kSparse);
  products_.resize(batch.rows * clusters_);
  backend_.SparseMatMul(batch.rows, clusters_, rows, columns_.data(), nullptr,
                        products_.data());
  for (int64_t row = 0; row < batch.rows; ++row) {
    const int64_t begin = rows.row_offsets[row];
    const int64_t end = rows.row_offsets[row + 1];
    const float length = std::sqrt(
        Values(rows.values.data() + begin, end - begin).square().sum());
    found(row, NearestOf(products_.data() + row * clusters_, length,
                         end - begin, [&](int64_t k) {
                           // Less the square of the example, which is the same
                           // for all.
                           const float* const centroid =
                               centroids_.data() + k * features_;
                           double product = 0;
                           for (int64_t e = begin; e < end; ++e) {
                             product +=
                                 static_cast<double>(rows.values[e]) *
                                 static_cast<double>(centroid[rows.columns[e]]);
                           }
                           return squares_[k] - 2 * product;
                         }));
  }
}

int64_t NearestCentroids::NearestOf(
    const float* products, float length, int64_t terms,
    absl::FunctionRef<double(int64_t)> distance_to) const {
  // What n roundings in a row add up to, at most.
  const float rounding =
      static_cast<float>(terms + 4) * std::numeric_limits<float>::epsilon();
  const auto error_of = [&](int64_t k) {
    return rounding * lengths_[k] * (length + lengths_[k]);
  };
  float bound = std::numeric_limits<float>::infinity();
  for (int64_t k = 0; k < clusters_; ++k) {
    bound = std::min(bound, half_squares_[k] - products[k] + error_of(k));
  }
  // Most examples have one candidate, and no distance is needed.
  std::optional<int64_t> nearest;
  std::optional<double> least;
  for (int64_t k = 0; k < clusters_; ++k) {
    if (!(half_squares_[k] - products[k] - error_of(k) <= bound)) continue;
    if (!nearest) {
      nearest = k;
      continue;
    }
    if (!least) least = distance_to(*nearest);
    const double distance = distance_to(k);
    if (distance >= *least) continue;
    least = distance;
    nearest = k;
  }
  return nearest.value_or(0);  // None: they are not finite.
}

}  // namespace ebb::models
