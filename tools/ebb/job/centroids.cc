#include "tools/ebb/job/centroids.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "models/backends.h"
#include "models/kmeans_parallel.h"
#include "models/kmeans_plus_plus.h"
#include "tools/ebb/job/sample.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"
#include "worker/examples.h"

namespace ebb::tools {

namespace {

// The authors of k-means|| (Bahmani et al. 2012) find that a sample of a few
// examples for each cluster serves as well as all of them.
constexpr int64_t kLeastSample = 16384;
constexpr int64_t kSampleOfACluster = 16;
constexpr int64_t kLeastOfACluster = 4;
// Multiplications: some seconds, and a minute.
constexpr double kGoodCost = 1e10;
constexpr double kMostCost = 1e11;

// Numbers to multiply; a sparse example has few.
int64_t NumbersOfAnExample(const data::Dataset& data) {
  return data.sparse() ? data.entries() / data.examples() + 1 : data.features();
}

// Multiplications that k-means|| takes for each cluster, feature and example:
// the products with all candidates, which are products of matrices.
constexpr double kCostOfAll =
    static_cast<double>(models::kParallelRounds * models::kParallelDraws);
constexpr double kMostCostOfAll = 1e12;

absl::StatusOr<std::vector<float>> ChooseFromAll(const data::Dataset& train,
                                                 int64_t clusters,
                                                 uint64_t seed) {
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
  // The last step chooses among the candidates as among a sample.
  const auto candidates = static_cast<int64_t>(kCostOfAll) * clusters;
  EBB_RETURN_IF_ERROR(CentroidSample(std::min(candidates, train.examples()),
                                     train.features(), clusters)
                          .status());
  EBB_ASSIGN_OR_RETURN(const auto backend, models::CreateBackend({}));
  data::ExampleBatch batch;
  const auto gather = [&](std::span<const int64_t> examples)
      -> absl::StatusOr<models::BatchView> {
    EBB_RETURN_IF_ERROR(train.Gather(examples, &batch));
    return worker::ViewOf(batch);
  };
  return models::KMeansParallel({train.examples(), train.features(), gather},
                                clusters, seed, backend.get());
}

}  // namespace

absl::StatusOr<int64_t> CentroidSample(int64_t examples, int64_t features,
                                       int64_t clusters) {
  // Each centroid takes the distances to each of the sample, for itself and
  // each trial (models/kmeans_plus_plus.cc).
  const double trials = 2 + std::floor(std::log(static_cast<double>(clusters)));
  const double cost_of_one =
      (trials + 1) * static_cast<double>(clusters) *
      static_cast<double>(std::max<int64_t>(1, features));
  const int64_t most =
      std::min(examples, std::max(kLeastSample, clusters * kSampleOfACluster));
  const int64_t least = std::min(examples, clusters * kLeastOfACluster);
  const auto good = static_cast<int64_t>(kGoodCost / cost_of_one);
  const int64_t sample = std::clamp(good, std::min(least, most), most);
  const double cost = cost_of_one * static_cast<double>(sample);
  if (cost > kMostCost) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "model.clusters: k-means++ would take %.1e multiplications to choose "
        "the first "
        "centroids: %d clusters from a sample of %d examples with %d features; "
        "at most %.0e are taken\nhint: model.initial: FILE has the first "
        "centroids, or fewer clusters",
        cost, clusters, sample, features, kMostCost));
  }
  return sample;
}

absl::StatusOr<std::vector<float>> ChooseCentroids(const data::Dataset& train,
                                                   const v1::Model& model,
                                                   uint64_t seed) {
  const int64_t clusters = model.clusters();
  if (train.keyed()) {
    return absl::InvalidArgumentError("kmeans takes no examples of keys");
  }
  if (clusters < 1 || clusters > train.examples()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", train.examples(), " examples for ", clusters, " clusters"));
  }
  if (model.seeding() == v1::Model::SEEDING_PARALLEL) {
    return ChooseFromAll(train, clusters, seed);
  }
  EBB_ASSIGN_OR_RETURN(
      const int64_t count,
      CentroidSample(train.examples(), NumbersOfAnExample(train), clusters));
  const std::vector<int64_t> numbers =
      DrawSample(train.examples(), count, seed);
  data::ExampleBatch sample;
  EBB_RETURN_IF_ERROR(train.Gather(numbers, &sample));
  return models::KMeansPlusPlus(worker::ViewOf(sample), clusters, seed);
}

float FirstSize(const v1::Job& job) {
  // In rounds, a cluster without examples gets one in the first.
  return job.algorithm().kind() == v1::Algorithm::KIND_MINI_BATCH ? 0 : 1;
}

absl::StatusOr<std::shared_ptr<const InitialValues>> ReadCentroids(
    const std::string& path, const std::vector<job::DenseTable>& tables,
    float first_size) {
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return InitialValues::Read(path, tables);
  auto file = DecodeSafetensors(*bytes);
  const bool only_centroids =
      file.ok() && file->tensors.size() == 1 && tables.size() == 2 &&
      file->tensors.front().name == tables.front().name &&
      file->tensors.front().dims == tables.front().dims;
  if (!only_centroids) return InitialValues::Read(path, tables);
  std::vector<float> values = std::move(file->tensors.front().values);
  values.resize(tables[0].size + tables[1].size, first_size);
  return InitialValues::Of(path, std::move(values), tables);
}

}  // namespace ebb::tools
