// Jobs that share a cluster, under virtual time with the production cores.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>

#include "sim/world.h"

namespace ebb::sim {
namespace {

constexpr int kWorkers = 100, kTaken = 50;

class PriorityTest : public ::testing::Test {
 protected:
  PriorityTest() : world_(ScaleScenario(kWorkers, 2, 80), 7, nullptr) {
    world_.calm = true;  // Nothing goes wrong.
    world_.scheduler().Start();
    for (const auto& server : world_.servers()) server->Start();
    for (const auto& worker : world_.workers()) worker->Start();
    RunFor(absl::Milliseconds(5));
    world_.scheduler().Submit();
  }

  void RunFor(absl::Duration time) {
    world_.RunUntil(world_.now() + time, [] { return false; });
    ASSERT_TRUE(world_.ok()) << world_.violation();
  }
  const scheduler::TrainingJob& Job(JobId id) {
    return *world_.scheduler().core()->jobs().at(id);
  }
  bool Complete(JobId id) {
    return Job(id).state().phase == scheduler::JobPhase::kCompleted;
  }
  // In the partition that has the least.
  int64_t Counted(JobId id) {
    int64_t least = INT64_MAX;
    for (int32_t p = 0; p < Job(id).plan().partitions; ++p) {
      least = std::min(least, Job(id).marks().marks(PartitionId(p)).examples());
    }
    return least;
  }
  // Of a job that has some.
  int64_t WorkersThatHold(JobId id) {
    int64_t n = 0;
    for (const auto& worker : world_.workers()) {
      if (!worker->core()->held(id).empty()) ++n;
    }
    return n;
  }
  void ExpectExact(JobId id) {
    const JobId watched = std::exchange(world_.job, id);
    world_.checker().CheckAllExact();
    EXPECT_TRUE(world_.ok()) << world_.violation();
    world_.job = watched;
  }

  World world_;
};

// 50 of 100 workers are taken at once by a job of a higher priority, and given
// back: both are trained all the time, and nothing is lost or counted twice.
TEST_F(PriorityTest, HalfTheWorkersAreTakenAtOnceAndGivenBack) {
  RunFor(absl::Seconds(10));
  const JobId low = world_.job;
  EXPECT_EQ(WorkersThatHold(low), kWorkers);

  JobPlan plan = world_.scenario().plan;
  plan.priority = 10;
  plan.max_workers = kTaken;
  plan.examples = kTaken * 10;
  plan.shard_size = 5;  // Items enough for all, to the end.
  const JobId high = world_.scheduler().SubmitBeside(plan);
  RunFor(absl::Milliseconds(200));
  EXPECT_EQ(WorkersThatHold(low), kWorkers - kTaken);
  EXPECT_EQ(WorkersThatHold(high), kTaken);
  EXPECT_GE(world_.counts().of(Probe::kLeaseLost), kTaken);

  RunFor(absl::Seconds(2));  // Every worker that moved has computed a batch.
  int seconds = 0;
  while (Job(high).parts().demand.OpenWork() > kTaken) {
    const std::array before = {Counted(low), Counted(high)};
    RunFor(absl::Seconds(1));
    EXPECT_GT(Counted(low), before[0]);
    EXPECT_GT(Counted(high), before[1]);
    ++seconds;
    ASSERT_LT(seconds, 60);
  }
  EXPECT_GE(seconds, 8);

  while (!Complete(high) && !HasFatalFailure()) RunFor(absl::Seconds(1));
  RunFor(absl::Seconds(1));
  EXPECT_EQ(WorkersThatHold(high), 0);
  ASSERT_FALSE(Complete(low));
  EXPECT_EQ(world_.scheduler().core()->allotment().Of(low).size(), kWorkers);
  while (!Complete(low) && !HasFatalFailure()) RunFor(absl::Seconds(1));
  ExpectExact(low);
  ExpectExact(high);
}

}  // namespace
}  // namespace ebb::sim
