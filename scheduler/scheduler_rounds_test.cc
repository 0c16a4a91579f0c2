// Jobs in rounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::SizeIs;

// As SchedulerFixture, in rounds of one item.
class SchedulerRoundsTest : public SchedulerFixture {
 protected:
  SchedulerRoundsTest() {
    ServerUp();
    JobRecord record = Record();
    record.plan.consistency.kind = ConsistencyKind::kRounds;
    record.plan.consistency.round_items = 1;
    record.plan.consistency.rounds_in_memory = 4;
    Submit(record);
    Register();
  }

  template <typename Message>
  std::vector<Message> ToServer() const {
    std::vector<Message> messages;
    for (const SchedulerToServer& message : to_server_) {
      if (auto* one = std::get_if<Message>(&message)) messages.push_back(*one);
    }
    return messages;
  }
  VersionKey Key(int32_t partition, int64_t sequence) const {
    return {job_, job().state().generation, PartitionId(partition), Term(7),
            sequence};
  }
  static std::string MarksOf(const JobPlan& plan, int32_t full) {
    MarkSet marks(plan);
    for (int32_t i = 0; i < full; ++i) {
      EXPECT_TRUE(marks.Raise({0, i}, 2).ok());
    }
    return marks.Encode();
  }
  // Partition 0 is in round 3 and keeps none before it; partition 1 came back
  // in round 1.
  JobRegistration Damaged() const {
    JobRegistration registration = Registration(3, 3);
    registration.partitions[0].oldest_round = 3;
    registration.partitions[0].stored = {
        {Key(0, 0), {0, 1}}, {Key(0, 1), {1, 2}}, {Key(0, 2), {2, 3}}};
    registration.partitions[1].marks = MarksOf(job().plan(), 1);
    registration.partitions[1].durable_marks = MarksOf(job().plan(), 1);
    registration.partitions[1].stored = {{Key(1, 0), {0, 1}}};
    return registration;
  }
};

TEST_F(SchedulerRoundsTest, RollsBackWhereAValueThatIsNeededAgainIsGone) {
  WorkerUp(kWorkerLink, kWorker);
  const Generation before = job().state().generation;
  const VersionKey from0 = Key(0, 1), from1 = Key(1, 0);
  FromServer(RegisterPartitions{kServerSession, Damaged()}, kServerSession);
  const Generation now = job().state().generation;
  EXPECT_GT(now, before);
  const std::vector<VersionKey> versions = {from0, from1};
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_EQ(Grants()[0].generation, now);
  EXPECT_EQ(Grants()[0].rollback.versions, versions);
  EXPECT_THAT(Grants()[0].partitions, SizeIs(2));
  ASSERT_FALSE(to_worker_.empty());
  EXPECT_EQ(std::get<LeaseLost>(to_worker_.back().second).generation, before);
  EXPECT_THAT(job().state().rolled_back,
              ::testing::StartsWith("from round 3 to round 1: "));
  // It is durable: a scheduler that starts again knows of it.
  Restart(stored_);
  EXPECT_EQ(job().state().generation, now);
  EXPECT_EQ(job().state().rollback.versions, versions);
}

TEST_F(SchedulerRoundsTest, CatchesUpWhereTheValuesAreKept) {
  const Generation before = job().state().generation;
  JobRegistration registration = Damaged();
  registration.partitions[0].oldest_round = 1;
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  EXPECT_EQ(job().state().generation, before);
  ASSERT_THAT(ToServer<RoundStatus>(), SizeIs(1));
  EXPECT_EQ(ToServer<RoundStatus>()[0].closed_everywhere, 1);
}

TEST_F(SchedulerRoundsTest, ARollbackOpensACompleteJob) {
  Register(4, 4);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  FromServer(RegisterPartitions{kServerSession, Damaged()}, kServerSession);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(Grants(), SizeIs(1));
}

// Bug: a server went on believing the scheduler before, which had known of
// more rounds (seed 157).
TEST_F(SchedulerRoundsTest, TellsTheRoundsAnewAfterARestart) {
  Restart(stored_);
  JobRegistration registration = Registration(0, 0);
  ServerUp({registration});
  registration = Registration(0, 0);
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  ASSERT_THAT(ToServer<RoundStatus>(), SizeIs(1));
  EXPECT_EQ(ToServer<RoundStatus>()[0].closed_everywhere, 0);
}

// Bug: a worker got such a lease back by naming it, and waited with it for ever
// (seed 10447).
TEST_F(SchedulerRoundsTest, AnItemOfARoundThatIsNotOpenIsNotKept) {
  WorkerUp(kWorkerLink, kWorker);
  Progress progress;
  progress.session = kWorker;
  progress.job = job_;
  progress.generation = job().state().generation;
  progress.item = {0, 2};
  FromWorker(kWorkerLink, progress);
  ASSERT_FALSE(to_worker_.empty());
  EXPECT_TRUE(std::holds_alternative<LeaseLost>(to_worker_.back().second));
  EXPECT_EQ(job().leases().held().count(2), 0);
}

}  // namespace
}  // namespace ebb::scheduler
