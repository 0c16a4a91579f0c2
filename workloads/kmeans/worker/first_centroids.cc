#include "workloads/kmeans/worker/first_centroids.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <span>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "data/sample.h"
#include "worker/base/examples.h"
#include "workloads/kmeans/model/kmeans_parallel.h"
#include "workloads/kmeans/model/kmeans_plus_plus.h"

namespace ebb::workloads {

namespace {

// The authors of k-means|| (Bahmani et al. 2012) find that a sample of a few
// examples for each cluster serves as well as all of them.
constexpr int64_t kLeastSample = 16384;
constexpr int64_t kSampleOfACluster = 16;
constexpr int64_t kLeastOfACluster = 4;
// Multiplications: some seconds, and a minute.
constexpr double kGoodCost = 1e10;
constexpr double kMostCost = 1e11;
// Multiplications that k-means|| takes for each cluster, feature and example:
// the products with all candidates, which are products of matrices.
constexpr double kCostOfAll =
    static_cast<double>(kParallelRounds * kParallelDraws);
constexpr double kMostCostOfAll = 1e12;

// Numbers to multiply; a sparse example has few.
int64_t NumbersOfAnExample(const data::Dataset& data) {
  return data.sparse() ? data.entries() / data.examples() + 1 : data.features();
}

// Multiplications of k-means++ for each example that it chooses from. Each
// centroid takes the distances to each of them, for itself and each trial
// (workloads/kmeans/model/kmeans_plus_plus.cc).
double CostOfAnExample(int64_t features, int64_t clusters) {
  const double trials = 2 + std::floor(std::log(static_cast<double>(clusters)));
  return (trials + 1) * static_cast<double>(clusters) *
         static_cast<double>(std::max<int64_t>(1, features));
}

// Refuses that k-means++ chooses from too many examples.
absl::Status CheckCost(int64_t examples, int64_t features, int64_t clusters) {
  const double cost =
      CostOfAnExample(features, clusters) * static_cast<double>(examples);
  if (cost <= kMostCost) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "model.clusters: k-means++ would take %.1e multiplications to choose the "
      "first centroids: %d clusters from %d examples with %d features; at most "
      "%.0e are taken\nhint: model.initial: FILE has the first centroids, or "
      "fewer clusters",
      cost, clusters, examples, features, kMostCost));
}

absl::Status CheckParallel(const data::Dataset& train, int64_t clusters) {
  const double cost = kCostOfAll * static_cast<double>(clusters) *
                      static_cast<double>(train.examples()) *
                      static_cast<double>(NumbersOfAnExample(train));
  if (cost > kMostCostOfAll) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "model.seeding: parallel would take %.1e multiplications to choose the "
        "first centroids; at most %.0e are taken\nhint: seeding: plus_plus, "
        "which looks at a sample",
        cost, kMostCostOfAll));
  }
  // The last step chooses among all candidates, which are dense.
  const int64_t candidates =
      std::min(static_cast<int64_t>(kCostOfAll) * clusters, train.examples());
  return CheckCost(candidates, train.features(), clusters);
}

}  // namespace

absl::StatusOr<int64_t> CentroidSample(int64_t examples, int64_t features,
                                       int64_t clusters) {
  const int64_t most =
      std::min(examples, std::max(kLeastSample, clusters * kSampleOfACluster));
  const int64_t least = std::min(examples, clusters * kLeastOfACluster);
  const auto good =
      static_cast<int64_t>(kGoodCost / CostOfAnExample(features, clusters));
  const int64_t sample = std::clamp(good, std::min(least, most), most);
  EBB_RETURN_IF_ERROR(CheckCost(sample, features, clusters));
  return sample;
}

absl::Status CheckSeeding(const data::Dataset& train, const v1::Model& model) {
  const int64_t clusters = model.clusters();
  if (train.keyed()) {
    return absl::InvalidArgumentError("kmeans takes no examples of keys");
  }
  if (clusters < 1 || clusters > train.examples()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", train.examples(), " examples for ", clusters, " clusters"));
  }
  if (model.seeding() == v1::Model::SEEDING_PARALLEL) {
    return CheckParallel(train, clusters);
  }
  return CentroidSample(train.examples(), NumbersOfAnExample(train), clusters)
      .status();
}

absl::StatusOr<std::vector<float>> ChooseCentroids(
    const data::Dataset& train, const v1::Model& model, uint64_t seed,
    models::ComputeBackend* backend, absl::FunctionRef<void()> step) {
  EBB_RETURN_IF_ERROR(CheckSeeding(train, model));
  const int64_t clusters = model.clusters();
  data::ExampleBatch batch;
  if (model.seeding() == v1::Model::SEEDING_PARALLEL) {
    const auto gather = [&](std::span<const int64_t> examples)
        -> absl::StatusOr<models::BatchView> {
      EBB_RETURN_IF_ERROR(train.Gather(examples, &batch));
      return worker::ViewOf(batch);
    };
    return KMeansParallel({train.examples(), train.features(), gather, step},
                          clusters, seed, backend);
  }
  EBB_ASSIGN_OR_RETURN(
      const int64_t count,
      CentroidSample(train.examples(), NumbersOfAnExample(train), clusters));
  const std::vector<int64_t> numbers =
      data::DrawSample(train.examples(), count, seed);
  EBB_RETURN_IF_ERROR(train.Gather(numbers, &batch));
  return KMeansPlusPlus(worker::ViewOf(batch), clusters, seed, {}, step);
}

absl::StatusOr<int64_t> CountDifferent(const data::Dataset& train,
                                       int64_t most) {
  constexpr int64_t kAtOnce = 1024;
  absl::flat_hash_set<uint64_t> seen;
  std::vector<int64_t> numbers;
  data::ExampleBatch batch;
  for (int64_t begin = 0; begin < train.examples() && std::ssize(seen) < most;
       begin += kAtOnce) {
    numbers.resize(std::min(kAtOnce, train.examples() - begin));
    std::iota(numbers.begin(), numbers.end(), begin);
    EBB_RETURN_IF_ERROR(train.Gather(numbers, &batch));
    for (int64_t row = 0; row < batch.rows; ++row) {
      const int64_t first =
          batch.sparse ? batch.offsets[row] : row * batch.features;
      const int64_t last =
          batch.sparse ? batch.offsets[row + 1] : first + batch.features;
      uint64_t hash = 0;
      for (int64_t i = first; i < last; ++i) {
        const float value = batch.values[i] + 0.0F;  // -0 is 0.
        if (batch.sparse) {
          if (value == 0) continue;
          hash = HashAppend(hash, static_cast<uint64_t>(batch.ids[i]));
        }
        hash = HashAppend(hash, std::bit_cast<uint32_t>(value));
      }
      seen.insert(hash);
    }
  }
  return std::min(most, static_cast<int64_t>(std::ssize(seen)));
}

}  // namespace ebb::workloads
