// Jobs on data that grows, on the production shells: data comes bit by bit,
// processes die, and the end is told at last.
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/shell_cluster.h"

namespace ebb::testing {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(120);
constexpr int64_t kEpoch = 100;

// Epochs of 100 examples, in items of 20 and batches of 4.
JobRecord Endless(const std::string& more_keys = "") {
  JobRecord record =
      CountingJob("endless", kEpoch,
                  absl::StrCat("train: {batch: 4, item_examples: 20}\n"
                               "consistency: {kind: asp, local_steps: 0}\n",
                               more_keys));
  record.plan.grows = true;
  record.plan.epochs = JobPlan::kEndlessEpochs;
  record.plan.last_epoch_examples = kEpoch;
  record.plan.evaluate_every = 0;
  record.plan.algorithm = {};
  return record;
}

class GrowingTest : public ::testing::Test {
 protected:
  bool Applied(int64_t examples) {
    return cluster_.WaitUntil(
        [&] { return cluster_.Applied(job_) == examples; }, kLimit);
  }
  absl::Status Finish(std::optional<int64_t> examples) {
    return cluster_.scheduler().Change(
        [id = job_, examples](scheduler::SchedulerCore* core, absl::Time now,
                              scheduler::SchedulerActions* out) {
          return core->FinishJob(id, examples, now, out);
        },
        absl::Seconds(10));
  }
  // The job as it is now.
  JobRecord Record() {
    JobRecord record;
    cluster_.scheduler().Inspect([&](const auto& picture) {
      record = *picture.core.jobs().at(job_)->record();
    });
    return record;
  }
  int64_t HeldItems() {
    int64_t held = 0;
    cluster_.scheduler().Inspect([&](const auto& picture) {
      held = std::ssize(picture.core.jobs().at(job_)->leases().held());
    });
    return held;
  }
  void ExpectComplete(int64_t examples) {
    ASSERT_TRUE(
        cluster_.WaitUntil([&] { return cluster_.Complete(job_); }, kLimit));
    const JobRecord record = Record();
    EXPECT_FALSE(record.plan.endless());
    EXPECT_EQ(record.plan.AllExamples(), examples);
    ExpectExactlyOnce(&cluster_, record, job_);
  }

  ShellCluster cluster_{{}};
  JobId job_;
};

TEST_F(GrowingTest, AJobWithoutAnEndTrainsOnWhatIsThere) {
  job_ = cluster_.Submit(Endless());
  cluster_.DataReaches(137, false);
  // Whole batches of 4; and then no worker is held.
  ASSERT_TRUE(Applied(136));
  EXPECT_TRUE(cluster_.WaitUntil([&] { return HeldItems() == 0; }, kLimit));
  EXPECT_FALSE(cluster_.Complete(job_));
  cluster_.DataReaches(251, false);
  ASSERT_TRUE(Applied(248));

  EXPECT_TRUE(absl::IsFailedPrecondition(Finish(100'000)));
  ASSERT_TRUE(Finish(std::nullopt).ok());
  // The last batch is a short one.
  ExpectComplete(251);
  EXPECT_TRUE(absl::IsFailedPrecondition(Finish(std::nullopt)));
}

TEST_F(GrowingTest, AJobEndsWhereItIsIfThatIsBeyondWhatWasAskedFor) {
  job_ = cluster_.Submit(Endless());
  cluster_.DataReaches(160, false);
  ASSERT_TRUE(Applied(160));
  ASSERT_TRUE(Finish(30).ok());
  ExpectComplete(160);
}

TEST_F(GrowingTest, TheEndOfTheDataEndsTheJob) {
  job_ = cluster_.Submit(Endless());
  cluster_.DataReaches(70, false);
  ASSERT_TRUE(Applied(68));
  cluster_.DataReaches(203, true);
  ExpectComplete(203);
}

TEST_F(GrowingTest, EachExampleCountsOnceThoughEverybodyDies) {
  job_ = cluster_.Submit(Endless());
  int64_t there = 0;
  const auto more = [&] { cluster_.DataReaches(there += 60, false); };
  more();
  ASSERT_TRUE(Applied(there));
  for (int round = 0; round < 3; ++round) {
    cluster_.KillWorker(round);
    more();
    cluster_.KillServer(round % 2);
    cluster_.StartServer(round % 2);
    more();
    cluster_.KillScheduler();
    cluster_.StartScheduler();
    cluster_.StartWorker(round);
    more();
    ASSERT_TRUE(Applied(there)) << "round " << round;
  }
  // The order survives the scheduler.
  const auto ordered = [&] { return Finish(std::nullopt).ok(); };
  ASSERT_TRUE(cluster_.WaitUntil(ordered, kLimit));
  cluster_.KillScheduler();
  cluster_.StartScheduler();
  ExpectComplete(there);
}

}  // namespace
}  // namespace ebb::testing
