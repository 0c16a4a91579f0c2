// workloads/kmeans/worker/lloyd_runs.h, beside plain loops in double.
#include "workloads/kmeans/worker/lloyd_runs.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/mistake.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "models/backends.h"
#include "workloads/kmeans/model/lloyd_result.h"
#include "workloads/kmeans/worker/first_centroids.h"

namespace ebb::workloads {
namespace {

using Rows = std::vector<std::vector<double>>;

constexpr int64_t kFeatures = 3;

// Around six centres, so that four clusters may end in different places.
Rows Heaps() {
  std::mt19937 random(1);
  std::normal_distribution<double> around(0, 1);
  Rows rows;
  for (int i = 0; i < 600; ++i) {
    const double centre = 9.0 * (i % 6);
    rows.push_back({centre + around(random), centre * centre + around(random),
                    around(random)});
  }
  return rows;
}

class LloydRunsTest : public ::testing::Test {
 protected:
  void Write(const Rows& rows, const std::string& more, bool sparse = false) {
    std::ofstream file(folder_ / "a.txt");
    for (const auto& row : rows) {
      if (!sparse) {
        file << absl::StrJoin(row, ",") << ",0\n";
        continue;
      }
      file << "0";
      for (size_t i = 0; i < row.size(); ++i)
        file << " " << i + 1 << ":" << row[i];
      file << "\n";
    }
    file.close();
    const job::JobFile read = job::ReadJob(
        absl::StrCat("model: {kind: kmeans, clusters: 4, restarts: 5}\n"
                     "seed: 3\ndata: {train: {",
                     sparse ? "libsvm" : "csv", ": ",
                     std::string(folder_ / "a.txt"), "}}\n", more),
        "job.yaml");
    EXPECT_TRUE(read.ok()) << job::ToString(read.mistakes);
    job_ = read.job;
    job::FillDefaults(&job_);
    data::SourceSpec spec;
    spec.kind = sparse ? data::SourceKind::kLibsvm : data::SourceKind::kCsv;
    spec.path = folder_ / "a.txt";
    auto train = data::Dataset::Load(spec);
    ASSERT_TRUE(train.ok()) << train.status();
    train_ = std::make_unique<data::Dataset>(*std::move(train));
    auto runs = CreateLloydRuns(job_, *train_, backend_.get());
    ASSERT_TRUE(runs.ok()) << runs.status();
    runs_ = *std::move(runs);
  }

  LloydResult Make(int64_t task) {
    int64_t steps = 0;
    const auto made = runs_->Make(task, [&] { ++steps; });
    EXPECT_TRUE(made.ok()) << made.status();
    EXPECT_GT(steps, 0);
    auto result = LloydResult::Decode(made->bytes, job_.model().clusters(),
                                      train_->features());
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(made->loss, result->inertia);
    return *std::move(result);
  }

  const TestFolder folder_;
  const std::unique_ptr<models::ComputeBackend> backend_ =
      *models::CreateBackend({});
  v1::Job job_;
  std::unique_ptr<data::Dataset> train_;
  std::unique_ptr<TaskMaker> runs_;
};

double Squared(const std::vector<double>& row, const float* centroid) {
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    sum += (row[i] - centroid[i]) * (row[i] - centroid[i]);
  }
  return sum;
}

// The inertia, and the sizes of the clusters.
std::pair<double, std::vector<float>> PlainInertia(
    const Rows& rows, const std::vector<float>& values, int64_t clusters) {
  double inertia = 0;
  std::vector<float> sizes(clusters);
  for (const auto& row : rows) {
    double least = std::numeric_limits<double>::infinity();
    int64_t nearest = 0;
    for (int64_t k = 0; k < clusters; ++k) {
      const double distance = Squared(row, values.data() + k * kFeatures);
      if (distance >= least) continue;
      least = distance;
      nearest = k;
    }
    inertia += least;
    sizes[nearest] += 1;
  }
  return {inertia, sizes};
}

TEST_F(LloydRunsTest, EndsAtCentroidsThatAreMeans) {
  const Rows rows = Heaps();
  Write(rows, "algorithm: {tolerance: 0}\n");
  for (int64_t task = 0; task < 5; ++task) {
    const LloydResult run = Make(task);
    EXPECT_TRUE(run.converged);
    EXPECT_GT(run.rounds, 1);
    const auto [inertia, sizes] = PlainInertia(rows, run.values, 4);
    EXPECT_NEAR(run.inertia, inertia, 1e-5 * inertia);
    EXPECT_THAT(std::vector<float>(run.values.begin() + 4 * kFeatures,
                                   run.values.end()),
                testing::ElementsAreArray(sizes));
    // A round more moves nothing.
    std::vector<double> means(4 * kFeatures);
    for (const auto& row : rows) {
      size_t nearest = 0;
      for (size_t k = 1; k < 4; ++k) {
        if (Squared(row, run.values.data() + k * kFeatures) <
            Squared(row, run.values.data() + nearest * kFeatures)) {
          nearest = k;
        }
      }
      for (size_t i = 0; i < kFeatures; ++i) {
        means[nearest * kFeatures + i] += row[i] / sizes[nearest];
      }
    }
    for (size_t i = 0; i < means.size(); ++i) {
      EXPECT_NEAR(run.values[i], means[i], 1e-3) << task << " " << i;
    }
  }
}

TEST_F(LloydRunsTest, ARunIsAFunctionOfSeedAndNumber) {
  Write(Heaps(), "");
  const std::string first = runs_->Make(2, [] {})->bytes;
  EXPECT_NE(runs_->Make(3, [] {})->bytes, first);
  EXPECT_EQ(runs_->Make(2, [] {})->bytes, first);
  job_.set_seed(4);
  runs_ = *CreateLloydRuns(job_, *train_, backend_.get());
  EXPECT_NE(runs_->Make(2, [] {})->bytes, first);
}

// The instructions of a processor must not decide what the bytes are: servers
// compare those of two workers.
TEST_F(LloydRunsTest, AllInstructionsMakeTheSameBytes) {
  Write(Heaps(), "");
  const std::string first = runs_->Make(1, [] {})->bytes;
  for (const models::BackendOptions& options :
       {models::BackendOptions{.kind = "reference"},
        models::BackendOptions{.isa = "baseline"}}) {
    const auto other = *models::CreateBackend(options);
    const auto runs = *CreateLloydRuns(job_, *train_, other.get());
    EXPECT_EQ(runs->Make(1, [] {})->bytes, first) << other->name();
  }
}

TEST_F(LloydRunsTest, RoundsAreLimited) {
  Write(Heaps(), "algorithm: {tolerance: 0, max_rounds: 2}\n");
  const LloydResult run = Make(1);
  EXPECT_EQ(run.rounds, 2);
  EXPECT_FALSE(run.converged);
  const auto [inertia, sizes] = PlainInertia(Heaps(), run.values, 4);
  EXPECT_NEAR(run.inertia, inertia, 1e-5 * inertia);
}

TEST_F(LloydRunsTest, RunZeroBeginsAsAJobWithoutRestarts) {
  Write(Heaps(), "algorithm: {max_rounds: 1}\n");
  const auto first =
      ChooseCentroids(*train_, job_.model(), job_.seed(), backend_.get());
  ASSERT_TRUE(first.ok()) << first.status();
  // One plain round of theirs.
  const Rows rows = Heaps();
  std::vector<double> sums(4 * kFeatures), counts(4);
  for (const auto& row : rows) {
    size_t nearest = 0;
    for (size_t k = 1; k < 4; ++k) {
      if (Squared(row, first->data() + k * kFeatures) <
          Squared(row, first->data() + nearest * kFeatures)) {
        nearest = k;
      }
    }
    ++counts[nearest];
    for (size_t i = 0; i < kFeatures; ++i) {
      sums[nearest * kFeatures + i] += row[i];
    }
  }
  const LloydResult run = Make(0);
  for (size_t i = 0; i < sums.size(); ++i) {
    EXPECT_NEAR(run.values[i], sums[i] / counts[i / kFeatures], 1e-3) << i;
  }
}

TEST_F(LloydRunsTest, SparseRowsFindTheClustersOfDenseOnes) {
  Write(Heaps(), "algorithm: {tolerance: 0}\n");
  const LloydResult dense = Make(1);
  Write(Heaps(), "algorithm: {tolerance: 0}\n", /*sparse=*/true);
  const LloydResult sparse = Make(1);
  EXPECT_NEAR(sparse.inertia, dense.inertia, 1e-5 * dense.inertia);
}

TEST_F(LloydRunsTest, ParallelSeedingIsTakenIfTheJobSaysSo) {
  Write(Heaps(), "");
  const std::string plain = runs_->Make(1, [] {})->bytes;
  job_.mutable_model()->set_seeding(v1::Model::SEEDING_PARALLEL);
  runs_ = *CreateLloydRuns(job_, *train_, backend_.get());
  EXPECT_NE(runs_->Make(1, [] {})->bytes, plain);
  EXPECT_GT(Make(1).inertia, 0);
}

// Two of four clusters stay empty, as there are two places.
TEST_F(LloydRunsTest, FewDifferentExamplesEnd) {
  Rows rows;
  for (int i = 0; i < 50; ++i) rows.push_back({i % 2 * 5.0, 1, 2});
  Write(rows, "");
  const LloydResult run = Make(1);
  EXPECT_EQ(run.inertia, 0);
  EXPECT_TRUE(run.converged);
  EXPECT_LT(run.rounds, 5);
}

TEST_F(LloydRunsTest, EmptyClustersGetExamples) {
  // One far example, and clusters that are never there.
  Rows rows = Heaps();
  rows.resize(40);
  Write(rows, "algorithm: {tolerance: 0}\n");
  job_.mutable_model()->set_clusters(40);
  runs_ = *CreateLloydRuns(job_, *train_, backend_.get());
  const LloydResult run = Make(1);
  EXPECT_NEAR(run.inertia, 0, 1e-6);
}

TEST_F(LloydRunsTest, RefusesMoreClustersThanExamples) {
  Write(Heaps(), "");
  job_.mutable_model()->set_clusters(601);
  EXPECT_THAT(CreateLloydRuns(job_, *train_, backend_.get()).status().message(),
              testing::HasSubstr("has 600 examples for 601 clusters"));
}

}  // namespace
}  // namespace ebb::workloads
