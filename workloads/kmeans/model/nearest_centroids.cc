#include "workloads/kmeans/model/nearest_centroids.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "Eigen/Core"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::workloads {

namespace {

using models::BatchView;
using models::ComputeBackend;
using models::CsrView;
using Values = Eigen::Map<const Eigen::ArrayXf>;

// So that the examples of a block stay in the second cache from their product
// to the next use.
constexpr int64_t kBlockFloats = int64_t{1} << 16;
constexpr int64_t kLeastRows = 16;
// Origins nearer than this many times the farthest centroid cost few bits.
constexpr float kNear = 4;

// Returns the most that n roundings in a row add up to.
float RoundingOf(int64_t terms) {
  return static_cast<float>(terms + 4) * std::numeric_limits<float>::epsilon();
}

// a(m, n) to b(n, m).
void Turn(const float* a, int64_t m, int64_t n, float* b) {
  using Matrix =
      Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix>(b, n, m) = Eigen::Map<const Matrix>(a, m, n).transpose();
}

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
  longest_ = *std::ranges::max_element(lengths_);
}

const float* NearestCentroids::FromOrigin() const {
  return origin_.empty() ? centroids_.data() : moved_centroids_.data();
}

void NearestCentroids::TurnCentroids() {
  columns_.resize(centroids_.size());
  Turn(centroids_.data(), clusters_, features_, columns_.data());
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
    return absl::OkStatus();
  }
  FindInBlocks(batch, [&](int64_t begin, std::span<const int32_t> nearest) {
    for (size_t i = 0; i < nearest.size(); ++i) {
      found(begin + static_cast<int64_t>(i), nearest[i]);
    }
  });
  return absl::OkStatus();
}

// c x' and not x c': the places of one centroid's products lie side by side,
// and the search takes many examples at once. Long rows have a faster product
// for few centroids, whose result is small to turn.
void NearestCentroids::MultiplyDense(int64_t rows, const float* examples) {
  constexpr int64_t kLong = 128;
  products_.resize(rows * clusters_);
  if (features_ < kLong) {
    backend_.MatMulTransB(clusters_, features_, rows, FromOrigin(), examples,
                          products_.data());
    return;
  }
  example_products_.resize(rows * clusters_);
  backend_.MatMulTransB(rows, features_, clusters_, examples, FromOrigin(),
                        example_products_.data());
  Turn(example_products_.data(), rows, clusters_, products_.data());
}

void NearestCentroids::ScreenProducts(int64_t rows,
                                      std::span<const float> lengths) {
  // No example has a larger error to any centroid; those of two add up.
  const float rounding = RoundingOf(features_) * longest_;
  slack_.resize(rows);
  for (int64_t row = 0; row < rows; ++row) {
    slack_[row] = 2 * rounding * (lengths[row] + longest_);
  }
  backend_.FindLeast(clusters_, rows, half_squares_.data(), products_.data(),
                     slack_.data(), nearest_.data());
}

// Products of matrices are faster if there is much to multiply.
bool NearestCentroids::InOnePass() const {
  constexpr int64_t kMostProducts = 4096;
  return features_ <= ComputeBackend::kMostTermsOfNearest &&
         clusters_ * features_ <= kMostProducts;
}

void NearestCentroids::Screen(int64_t rows, const float* examples) {
  nearest_.resize(rows);
  if (InOnePass()) {
    // Like ScreenProducts: 2 |x| longest is at most |x|^2 + longest^2.
    backend_.FindNearest(clusters_, features_, rows, FromOrigin(),
                         half_squares_.data(), examples, RoundingOf(features_),
                         longest_, nearest_.data());
    return;
  }
  MultiplyDense(rows, examples);
  example_lengths_.resize(rows);
  for (int64_t row = 0; row < rows; ++row) {
    example_lengths_[row] =
        std::sqrt(Values(examples + row * features_, features_).square().sum());
  }
  ScreenProducts(rows, example_lengths_);
}

int32_t NearestCentroids::Decide(int64_t rows, int64_t row, const float* moved,
                                 const float* example) {
  const Values from_origin(moved + row * features_, features_);
  const Values x(example, features_);
  const float* products = nullptr;
  int64_t stride = rows;
  if (InOnePass()) {
    products_.resize(clusters_);
    for (int64_t k = 0; k < clusters_; ++k) {
      products_[k] =
          (from_origin * Values(FromOrigin() + k * features_, features_)).sum();
    }
    products = products_.data();
    stride = 1;
  } else {
    products = products_.data() + row;
  }
  return static_cast<int32_t>(
      NearestOf(products, stride, std::sqrt(from_origin.square().sum()),
                features_, [&](int64_t k, bool /*exact*/) {
                  return (x.cast<double>() -
                          Values(centroids_.data() + k * features_, features_)
                              .cast<double>())
                      .square()
                      .sum();
                }));
}

absl::Status NearestCentroids::FindDense(const BatchView& batch,
                                         FoundSome found) {
  EBB_RETURN_IF_ERROR(Check(batch));
  FindInBlocks(batch, found);
  return absl::OkStatus();
}

void NearestCentroids::FindInBlocks(const BatchView& batch, FoundSome found) {
  PrepareFor(For::kDense);
  const int64_t block =
      std::max(kLeastRows, kBlockFloats / std::max<int64_t>(1, features_));
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
    Screen(rows, moved);
    for (int64_t row = 0; row < rows; ++row) {
      if (nearest_[row] >= 0) continue;
      nearest_[row] = Decide(rows, row, moved, examples + row * features_);
    }
    found(begin, nearest_);
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
    found(row, NearestOf(products_.data() + row * clusters_, 1, length,
                         end - begin, [&](int64_t k, bool exact) {
                           if (exact) return SquaredDistance(batch, row, k);
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

// Far from the origin rounding in double may hide it, too.
bool NearestCentroids::IsNearer(int64_t cluster, double distance, int64_t other,
                                double other_distance, float length,
                                DistanceTo distance_to) const {
  const auto error_of = [&](int64_t k) {
    const double own = lengths_[k];
    return static_cast<double>(features_ + 4) *
           std::numeric_limits<double>::epsilon() * own *
           (2 * static_cast<double>(length) + own);
  };
  if (std::abs(distance - other_distance) > error_of(cluster) + error_of(other))
    return distance < other_distance;
  return distance_to(cluster, true) < distance_to(other, true);
}

int64_t NearestCentroids::NearestOf(const float* products, int64_t stride,
                                    float length, int64_t terms,
                                    DistanceTo distance_to) const {
  const float rounding = RoundingOf(terms);
  const auto error_of = [&](int64_t k) {
    return rounding * lengths_[k] * (length + lengths_[k]);
  };
  float bound = std::numeric_limits<float>::infinity();
  for (int64_t k = 0; k < clusters_; ++k) {
    bound =
        std::min(bound, half_squares_[k] - products[k * stride] + error_of(k));
  }
  // Most examples have one candidate, and no distance is needed.
  std::optional<int64_t> nearest;
  std::optional<double> least;
  for (int64_t k = 0; k < clusters_; ++k) {
    if (!(half_squares_[k] - products[k * stride] - error_of(k) <= bound))
      continue;
    if (!nearest) {
      nearest = k;
      continue;
    }
    if (!least) least = distance_to(*nearest, false);
    const double distance = distance_to(k, false);
    if (!IsNearer(k, distance, *nearest, *least, length, distance_to)) continue;
    least = distance;
    nearest = k;
  }
  return nearest.value_or(0);  // None: they are not finite.
}

double NearestCentroids::SquaredDistance(const BatchView& batch, int64_t row,
                                         int64_t cluster) const {
  const Values centroid(centroids_.data() + cluster * features_, features_);
  if (!batch.is_sparse()) {
    const Values example(batch.dense.data() + row * features_, features_);
    return (example - centroid).square().sum();
  }
  const CsrView& rows = batch.sparse;
  double distance = squares_[cluster];
  const int64_t begin = rows.row_offsets[row];
  const int64_t end = rows.row_offsets[row + 1];
  int32_t last = -1;
  bool ascends = true;
  for (int64_t e = begin; e < end;) {
    const int32_t column = rows.columns[e];
    ascends = ascends && column > last;
    last = column;
    double x = 0;
    for (; e < end && rows.columns[e] == column; ++e) {
      x += static_cast<double>(rows.values[e]);
    }
    distance += x * (x - 2 * static_cast<double>(centroid[column]));
  }
  // Fewer than 10 of the 16 digits are left below that.
  constexpr double kLeast = 1e-6;
  if (ascends && distance >= kLeast * squares_[cluster]) return distance;
  Eigen::ArrayXd differences = centroid.cast<double>();
  for (int64_t e = begin; e < end; ++e) {
    differences[rows.columns[e]] -= static_cast<double>(rows.values[e]);
  }
  return differences.square().sum();
}

}  // namespace ebb::workloads
