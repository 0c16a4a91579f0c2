#include "client/job_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace ebb::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr int64_t kMiB = int64_t{1} << 20;

// A model of 100 MiB, evaluated after each epoch.
class JobLimitsTest : public testing::Test {
 protected:
  JobLimitsTest() {
    plan_.parameters = 25 * kMiB;
    plan_.evaluate_every = 1;
    options_.batches_in_flight = 3;
    options_.prefetch = true;
  }

  std::optional<JobLimits> Limits(int64_t memory, int64_t held = 0) {
    options_.memory_bytes = memory;
    return LimitsFor(options_, plan_, held);
  }

  JobPlan plan_;
  ClientOptions options_;
};

TEST_F(JobLimitsTest, WithoutABoundEverythingIsAsAsked) {
  EXPECT_THAT(Limits(0, int64_t{1} << 50), Optional(JobLimits{3, true, true}));
}

// 64 MiB for the program, and 112.5 for each copy of the model.
TEST_F(JobLimitsTest, GivesUpEvaluationThenBatchesThenPrefetching) {
  EXPECT_THAT(Limits((64 + 788) * kMiB), Optional(JobLimits{3, true, true}));
  EXPECT_THAT(Limits((64 + 787) * kMiB), Optional(JobLimits{3, true, false}));
  EXPECT_THAT(Limits((64 + 674) * kMiB), Optional(JobLimits{2, true, false}));
  EXPECT_THAT(Limits((64 + 562) * kMiB), Optional(JobLimits{1, true, false}));
  EXPECT_THAT(Limits((64 + 450) * kMiB), Optional(JobLimits{1, true, false}));
  EXPECT_THAT(Limits(512 * kMiB), Optional(JobLimits{1, false, false}));
  EXPECT_THAT(Limits((64 + 338) * kMiB), Optional(JobLimits{1, false, false}));
  EXPECT_EQ(Limits((64 + 337) * kMiB), std::nullopt);
}

TEST_F(JobLimitsTest, GivesUpGoingOnWithoutServersFirst) {
  plan_.consistency.local_steps = 1;
  EXPECT_THAT(Limits((64 + 1125) * kMiB),
              Optional(JobLimits{3, true, true, true}));
  EXPECT_THAT(Limits((64 + 1124) * kMiB),
              Optional(JobLimits{3, true, true, false}));
}

TEST_F(JobLimitsTest, DataTakesItsPart) {
  EXPECT_THAT(Limits(512 * kMiB, 110 * kMiB),
              Optional(JobLimits{1, false, false}));
  EXPECT_EQ(Limits(512 * kMiB, 111 * kMiB), std::nullopt);
}

TEST_F(JobLimitsTest, AJobWithoutEvaluationsNeedsNoRoomForThem) {
  plan_.evaluate_every = 0;
  EXPECT_THAT(Limits((64 + 675) * kMiB), Optional(JobLimits{3, true, true}));
}

// Bug: they were charged where there was no prefetch, either.
TEST_F(JobLimitsTest, ValuesPutTogetherBesideTakeTheirs) {
  const auto without = Limits(512 * kMiB, 110 * kMiB);
  options_.assembles_next = true;
  EXPECT_EQ(Limits(512 * kMiB, 110 * kMiB), without);
  EXPECT_EQ(JobBytes(options_, plan_, {1, true, false}) -
                JobBytes(options_, plan_, {1, false, false}),
            2 * (JobBytes(options_, plan_, {2, false, false}) -
                 JobBytes(options_, plan_, {1, false, false})));
}

TEST_F(JobLimitsTest, RowsThatAreKeptTakeTheirs) {
  plan_ = {};
  // 64 bytes each, and an eighth of a KiB beside them at most.
  plan_.sparse_tables = {{.width = 16, .cache_rows = kMiB}};
  EXPECT_EQ(Limits((64 + 64) * kMiB), std::nullopt);
  EXPECT_THAT(WhyItDoesNotFit(options_, plan_, 0),
              HasSubstr("0 parameters, and rows that are kept, take "));
  EXPECT_NE(Limits((64 + 64 + 128) * kMiB), std::nullopt);
}

// The rule of one run, and of two items for other algorithms; 3 vectors beside.
TEST_F(JobLimitsTest, ARunTakesItsVectorsOnce) {
  const JobLimits least = {1, false, false};
  const int64_t plain = JobBytes(options_, plan_, least);
  const int64_t one = JobBytes(options_, plan_, {2, false, false}) - plain;
  plan_.algorithm = {.worker_vectors = 4};
  EXPECT_EQ(JobBytes(options_, plan_, least) - plain, (2 * 4 + 3) * one);
  plan_.algorithm.runs = true;
  EXPECT_EQ(JobBytes(options_, plan_, least) - plain, (4 + 3) * one);
}

TEST_F(JobLimitsTest, SaysWhatWouldBeEnough) {
  options_.memory_bytes = 256 * kMiB;
  EXPECT_EQ(WhyItDoesNotFit(options_, plan_, 10 * kMiB),
            "it does not fit into this worker's --memory of 256 MiB: values "
            "and gradients of 26214400 parameters take 338 MiB, data 10 MiB "
            "and the program 64 MiB; give it at least --memory 412MiB");
  EXPECT_NE(Limits(412 * kMiB, 10 * kMiB), std::nullopt);
}

TEST_F(JobLimitsTest, ManyBatchesOfOnePullAreForSmallModelsWithoutBounds) {
  options_.batches_per_pull = 8;
  EXPECT_EQ(MostBatchesPerPull(options_, plan_), 1);
  plan_.parameters = kMiB;  // 4 MiB, of a window of 16.
  EXPECT_EQ(MostBatchesPerPull(options_, plan_), 4);
  plan_.parameters = 1;
  EXPECT_EQ(MostBatchesPerPull(options_, plan_), 8);

  plan_.consistency.max_staleness_updates = 100;
  EXPECT_EQ(MostBatchesPerPull(options_, plan_), 1);
  plan_.consistency = {.kind = ConsistencyKind::kSsp, .clock_bound = 100};
  EXPECT_EQ(MostBatchesPerPull(options_, plan_), 1);
  plan_.consistency = {};
  options_.memory_bytes = 1024 * kMiB;
  EXPECT_EQ(MostBatchesPerPull(options_, plan_), 1);
}

}  // namespace
}  // namespace ebb::client
