#include "workloads/kmeans/worker/lloyd_runs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "glog/logging.h"
#include "models/backends.h"
#include "worker/base/examples.h"
#include "workloads/kmeans/model/kmeans_parallel.h"
#include "workloads/kmeans/model/lloyd_result.h"
#include "workloads/kmeans/model/lloyd_sums.h"
#include "workloads/kmeans/server/lloyd.h"
#include "workloads/kmeans/server/lloyd_options.h"
#include "workloads/kmeans/worker/first_centroids.h"

namespace ebb::workloads {

namespace {

constexpr int64_t kFloat = sizeof(float);
// Examples that are gathered at once.
constexpr int64_t kLeastRun = 16;
constexpr int64_t kMostRun = 4096;
constexpr int64_t kRunFloats = int64_t{1} << 22;
constexpr uint64_t kRunDomain = 0x6c6c6f7964203130;    // "lloyd 10"
constexpr uint64_t kEmptyDomain = 0x656d707479206b73;  // "empty ks"

int64_t RowsAtOnce(const data::Index& train) {
  return std::clamp(kRunFloats / std::max<int64_t>(1, train.features),
                    kLeastRun, kMostRun);
}

uint64_t SeedOfRun(uint64_t seed, int64_t run) {
  if (run == 0) return seed;
  return HashAppend(HashAppend(HashAppend(0, kRunDomain), seed),
                    static_cast<uint64_t>(run));
}

class LloydRuns final : public TaskMaker {
 public:
  LloydRuns(const v1::Job& job, const data::Dataset& train,
            std::unique_ptr<models::ComputeBackend> own,
            models::ComputeBackend* backend)
      : job_(job),
        train_(train),
        own_(std::move(own)),
        backend_(*backend),
        clusters_(job.model().clusters()),
        features_(train.features()),
        most_rounds_(std::max<int64_t>(1, job.algorithm().max_rounds())),
        options_(LloydOptionsOf(job)),
        sums_(clusters_, features_, backend) {}

  absl::StatusOr<TaskResult> Make(int64_t task,
                                  absl::FunctionRef<void()> step) override {
    seed_ = SeedOfRun(job_.seed(), task);
    EBB_ASSIGN_OR_RETURN(
        values_, ChooseCentroids(train_, job_.model(), seed_, &backend_, step));
    values_.resize(clusters_ * (features_ + 1), 1);
    std::optional<LloydOperation> last;
    for (int64_t round = 0; round < most_rounds_; ++round) {
      EBB_ASSIGN_OR_RETURN(last, Round(round, last ? &*last : nullptr, step));
      if (last->ends) break;
    }
    LloydResult result;
    result.rounds = last->round + 1;
    result.converged = last->ends;
    EBB_ASSIGN_OR_RETURN(result.inertia, MeasureAll(step));
    result.values = std::move(values_);
    LOG(INFO) << "restart=" << task << " rounds=" << result.rounds
              << " inertia=" << result.inertia
              << (result.converged ? " converged" : "");
    return TaskResult{result.Encode(), result.inertia};
  }

  int64_t memory_bytes() const override {
    return LloydRunBytes(job_, train_.index());
  }

 private:
  std::span<float> Sizes() {
    return std::span(values_).subspan(clusters_ * features_);
  }

  // All examples, in their order.
  absl::Status ForEachBatch(
      absl::FunctionRef<void()> step,
      absl::FunctionRef<absl::Status(const models::BatchView&)> on) {
    const int64_t rows = RowsAtOnce(train_.index());
    for (int64_t begin = 0; begin < train_.examples(); begin += rows) {
      numbers_.resize(std::min(rows, train_.examples() - begin));
      std::iota(numbers_.begin(), numbers_.end(), begin);
      EBB_RETURN_IF_ERROR(train_.Gather(numbers_, &batch_));
      EBB_RETURN_IF_ERROR(on(worker::ViewOf(batch_)));
      step();
    }
    return absl::OkStatus();
  }

  void TakeValues() {
    sums_.Take(std::span(values_).first(clusters_ * features_), Sizes());
  }

  // Sums of a batch are in float32, as those that workers push.
  ClusterSums OfBatch() {
    batch_sums_.assign(values_.size(), 0);
    const std::span<float> all = batch_sums_;
    return {all.first(clusters_ * features_),
            all.subspan(clusters_ * features_)};
  }
  void AddBatch() {
    for (size_t i = 0; i < totals_.size(); ++i) {
      totals_[i] += static_cast<double>(batch_sums_[i]);
    }
  }

  // Moves the centroids.
  absl::StatusOr<LloydOperation> Round(int64_t round,
                                       const LloydOperation* before,
                                       absl::FunctionRef<void()> step) {
    TakeValues();
    totals_.assign(values_.size(), 0);
    double inertia = 0;
    EBB_RETURN_IF_ERROR(ForEachBatch(step, [&](const models::BatchView& batch) {
      EBB_RETURN_IF_ERROR(sums_.Add(batch, OfBatch(), &inertia));
      AddBatch();
      return absl::OkStatus();
    }));
    EBB_RETURN_IF_ERROR(CheckFinite(inertia));
    EBB_RETURN_IF_ERROR(FillEmpty(round));
    std::ranges::transform(totals_, batch_sums_.begin(),
                           [](double sum) { return static_cast<float>(sum); });
    const LloydRun run = {0, static_cast<int64_t>(values_.size()), values_,
                          batch_sums_};
    std::vector<double> figures(LloydFigures::Count(options_));
    figures[LloydFigures::kInertia] = inertia;
    AddLloydFigures(options_, run, figures);
    LloydOperation operation =
        NextLloydOperation(options_, round, before, figures);
    std::vector<float> moved(values_.size());
    ApplyLloyd(operation, run, moved);
    values_ = std::move(moved);
    return operation;
  }

  // An example that is drawn from all joins each empty cluster.
  absl::Status FillEmpty(int64_t round) {
    std::vector<int64_t> empty;
    numbers_.clear();
    for (int64_t k = 0; k < clusters_; ++k) {
      if (Sizes()[k] != 0) continue;
      empty.push_back(k);
      const uint64_t hash =
          HashAppend(HashAppend(HashAppend(HashAppend(0, kEmptyDomain), seed_),
                                static_cast<uint64_t>(round)),
                     static_cast<uint64_t>(k));
      numbers_.push_back(static_cast<int64_t>(
          hash % static_cast<uint64_t>(train_.examples())));
    }
    const int64_t rows = RowsAtOnce(train_.index());
    const std::span<const int64_t> all = numbers_;
    for (size_t begin = 0; begin < all.size(); begin += rows) {
      const auto some =
          all.subspan(begin, std::min<size_t>(rows, all.size() - begin));
      EBB_RETURN_IF_ERROR(train_.Gather(some, &batch_));
      const ClusterSums out = OfBatch();
      for (size_t i = 0; i < some.size(); ++i) {
        sums_.Join(worker::ViewOf(batch_), static_cast<int64_t>(i),
                   empty[begin + i], out);
      }
      AddBatch();
    }
    return absl::OkStatus();
  }

  // The inertia of the values, whose sizes become those of their clusters.
  absl::StatusOr<double> MeasureAll(absl::FunctionRef<void()> step) {
    TakeValues();
    std::vector<int64_t> sizes(clusters_);
    double inertia = 0;
    EBB_RETURN_IF_ERROR(ForEachBatch(step, [&](const models::BatchView& batch) {
      return sums_.Measure(batch, &inertia,
                           [&](int64_t, int64_t cluster) { ++sizes[cluster]; });
    }));
    EBB_RETURN_IF_ERROR(CheckFinite(inertia));
    std::ranges::transform(sizes, Sizes().begin(), [](int64_t size) {
      return static_cast<float>(size);
    });
    return inertia;
  }

  static absl::Status CheckFinite(double inertia) {
    if (std::isfinite(inertia)) return absl::OkStatus();
    return absl::OutOfRangeError("the distances are not finite");
  }

  const v1::Job job_;
  const data::Dataset& train_;
  const std::unique_ptr<models::ComputeBackend> own_;
  models::ComputeBackend& backend_;
  const int64_t clusters_;
  const int64_t features_;
  const int64_t most_rounds_;
  const LloydOptions options_;
  LloydSums sums_;

  // --- Of the run ------------------------------------------------------------
  uint64_t seed_ = 0;
  // Centroids, (clusters, features), and sizes.
  std::vector<float> values_;
  std::vector<float> batch_sums_;
  std::vector<double> totals_;
  std::vector<int64_t> numbers_;
  data::ExampleBatch batch_;
};

}  // namespace

int64_t LloydRunBytes(const v1::Job& job, const data::Index& train) {
  const int64_t clusters = job.model().clusters();
  const int64_t values = clusters * (train.features + 1);
  // The values, twice; those without their sizes in the search, twice; sums in
  // float32 and in double; the result, and its rows.
  constexpr int64_t kOfAValue = 4 * kFloat + 3 * kFloat + 3 * kFloat;
  const int64_t rows = RowsAtOnce(train);
  int64_t bytes =
      values * kOfAValue + rows * (train.features + clusters) * kFloat;
  if (job.model().seeding() == v1::Model::SEEDING_PARALLEL) {
    constexpr int64_t kCandidates = kParallelRounds * kParallelDraws;
    bytes += 2 * kFloat * train.examples +
             kCandidates * clusters * train.features * kFloat;
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<TaskMaker>> CreateLloydRuns(
    const v1::Job& job, const data::Dataset& train,
    models::ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckSeeding(train, job.model()));
  EBB_RETURN_IF_ERROR(LloydOptionsOf(job).Validate());
  std::unique_ptr<models::ComputeBackend> own;
  if (!backend->uses_host_memory()) {
    EBB_ASSIGN_OR_RETURN(own, models::CreateBackend({}));
    backend = own.get();
  }
  return std::make_unique<LloydRuns>(job, train, std::move(own), backend);
}

}  // namespace ebb::workloads
