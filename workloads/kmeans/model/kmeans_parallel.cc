#include "workloads/kmeans/model/kmeans_parallel.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "common/example_hash.h"
#include "common/status_macros.h"
#include "workloads/kmeans/model/kmeans_plus_plus.h"
#include "workloads/kmeans/model/nearest_centroids.h"

namespace ebb::workloads {

namespace {

using models::BatchView;
using models::ComputeBackend;
using models::CsrView;

constexpr int64_t kBlockRows = 4096;
// Examples that a round draws at most, as a multiple of those expected.
constexpr int64_t kMostDraws = 2;
constexpr uint64_t kDomain = 0x6b2d6d65616e7c7c;  // "k-mean||"

void AppendRow(const BatchView& batch, int64_t row, std::vector<float>* out) {
  const size_t begin = out->size();
  if (!batch.is_sparse()) {
    const auto values =
        batch.dense.subspan(row * batch.features, batch.features);
    out->insert(out->end(), values.begin(), values.end());
    return;
  }
  out->resize(begin + batch.features);
  const CsrView& rows = batch.sparse;
  for (int64_t e = rows.row_offsets[row]; e < rows.row_offsets[row + 1]; ++e) {
    (*out)[begin + rows.columns[e]] += rows.values[e];
  }
}

class ParallelSeeding {
 public:
  ParallelSeeding(const SeedingData& data, int64_t k, uint64_t seed,
                  ComputeBackend* backend)
      : data_(data),
        k_(k),
        seed_(HashAppend(HashAppend(0, kDomain), seed)),
        backend_(*backend),
        distances_(data.examples, std::numeric_limits<float>::infinity()),
        nearest_(data.examples) {}

  absl::StatusOr<std::vector<float>> Choose(uint64_t seed) {
    const auto first = static_cast<int64_t>(
        HashAppend(seed_, 0) % static_cast<uint64_t>(data_.examples));
    EBB_RETURN_IF_ERROR(Add(std::vector<int64_t>{first}));
    for (int64_t round = 1; round <= kParallelRounds; ++round) {
      const std::vector<int64_t> drawn = Draw(round);
      if (drawn.empty()) break;
      EBB_RETURN_IF_ERROR(Add(drawn));
    }
    EBB_RETURN_IF_ERROR(FillUp());
    std::vector<double> weights(count_);
    for (const int32_t nearest : nearest_) ++weights[nearest];
    BatchView candidates;
    candidates.rows = count_;
    candidates.features = data_.features;
    candidates.dense = candidates_;
    return KMeansPlusPlus(candidates, k_, seed, weights, data_.step);
  }

 private:
  // Each with a chance in proportion to its squared distance, so that some for
  // each cluster are expected. None: all are where candidates are.
  std::vector<int64_t> Draw(int64_t round) const {
    const double sum =
        std::accumulate(distances_.begin(), distances_.end(), 0.0);
    std::vector<int64_t> drawn;
    if (!(sum > 0)) return drawn;
    const auto wanted = static_cast<double>(kParallelDraws * k_);
    const uint64_t stream = HashAppend(seed_, static_cast<uint64_t>(round));
    for (int64_t i = 0; i < data_.examples; ++i) {
      const double number =
          UnitOf(HashAppend(stream, static_cast<uint64_t>(i)));
      if (number * sum >= wanted * static_cast<double>(distances_[i])) continue;
      drawn.push_back(i);
      if (std::ssize(drawn) == kMostDraws * kParallelDraws * k_) break;
    }
    return drawn;
  }

  // These examples are candidates; each example learns which is nearest to it.
  absl::Status Add(std::span<const int64_t> drawn) {
    std::vector<float> added;
    EBB_RETURN_IF_ERROR(AppendTo(drawn, &added));
    const auto rows = std::ssize(drawn);
    NearestCentroids search(rows, data_.features, &backend_);
    search.Take(added, {});
    std::vector<int64_t> block;
    for (int64_t begin = 0; begin < data_.examples; begin += kBlockRows) {
      block.resize(std::min(kBlockRows, data_.examples - begin));
      std::iota(block.begin(), block.end(), begin);
      EBB_ASSIGN_OR_RETURN(const BatchView batch, data_.gather(block));
      const auto found = [&](int64_t row, int64_t nearest) {
        const auto distance =
            static_cast<float>(search.SquaredDistance(batch, row, nearest));
        if (distance >= distances_[begin + row]) return;
        distances_[begin + row] = distance;
        nearest_[begin + row] = static_cast<int32_t>(count_ + nearest);
      };
      EBB_RETURN_IF_ERROR(search.Find(batch, found));
      data_.step();
    }
    candidates_.insert(candidates_.end(), added.begin(), added.end());
    count_ += rows;
    return absl::OkStatus();
  }

  // Fewer were drawn than there are clusters: few examples differ.
  absl::Status FillUp() {
    std::vector<int64_t> more(std::max<int64_t>(0, k_ - count_));
    std::iota(more.begin(), more.end(), 0);
    count_ += std::ssize(more);
    return AppendTo(more, &candidates_);
  }

  absl::Status AppendTo(std::span<const int64_t> examples,
                        std::vector<float>* out) const {
    for (size_t begin = 0; begin < examples.size(); begin += kBlockRows) {
      const auto part = examples.subspan(
          begin, std::min<size_t>(kBlockRows, examples.size() - begin));
      EBB_ASSIGN_OR_RETURN(const BatchView batch, data_.gather(part));
      for (int64_t row = 0; row < batch.rows; ++row) {
        AppendRow(batch, row, out);
      }
    }
    return absl::OkStatus();
  }

  const SeedingData& data_;
  const int64_t k_;
  const uint64_t seed_;
  ComputeBackend& backend_;
  std::vector<float> candidates_;  // (count_, features)
  int64_t count_ = 0;
  // By example: to the nearest candidate, squared, and its number.
  std::vector<float> distances_;
  std::vector<int32_t> nearest_;
};

}  // namespace

absl::StatusOr<std::vector<float>> KMeansParallel(const SeedingData& data,
                                                  int64_t k, uint64_t seed,
                                                  ComputeBackend* backend) {
  return ParallelSeeding(data, k, seed, backend).Choose(seed);
}

}  // namespace ebb::workloads
