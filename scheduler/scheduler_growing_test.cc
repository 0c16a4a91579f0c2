// Jobs on data that grows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LinkId kLink(21), kOtherLink(22);

// Epochs of 4 items of 2 examples, in batches of 1.
class SchedulerGrowingTest : public SchedulerFixture {
 protected:
  SchedulerGrowingTest() {
    options_.shortened = [](const JobRecord& record, const JobEnd& end) {
      JobRecord shorter = record;
      shorter.plan.epochs = end.epochs;
      shorter.plan.last_epoch_examples = end.last_epoch_examples;
      shorter.specification = "with an end";
      return shorter;
    };
    Restart({}, options_);
    ServerUp();
    JobRecord record = Record();
    record.plan.grows = true;
    record.plan.epochs = JobPlan::kEndlessEpochs;
    record.plan.last_epoch_examples = record.plan.examples;
    Submit(record);
    Registers();
  }

  // The server says that it has `full` items, and `durable` ones stored in a
  // version of its term.
  void Registers(int32_t full = 0, int32_t durable = 0) {
    JobRegistration registration = Registration(full, durable);
    for (PartitionRegistration& one : registration.partitions) {
      one.stored.push_back(
          {{job_, job().state().generation, one.partition, one.term, durable},
           {}});
    }
    FromServer(RegisterPartitions{kServerSession, registration},
               kServerSession);
  }
  // A server says that `items` are durable now.
  void Stored(int32_t items) {
    MarkReport report{kServerSession, job_, job().state().generation, {}};
    for (const PartitionId p : {PartitionId(0), PartitionId(1)}) {
      PartitionMarkReport& one = report.partitions.emplace_back();
      one.partition = p;
      one.term = job().placement().at(p).drawn;
      for (int32_t i = 0; i < items; ++i) one.durable.push_back({{0, i}, 2});
      one.stored.push_back(
          {{job_, job().state().generation, p, one.term, items}, {}});
    }
    FromServer(report, kServerSession);
  }
  std::vector<WatchData> Looks(LinkId link) const {
    std::vector<WatchData> looks;
    for (const auto& [to, message] : to_worker_) {
      const auto* look = std::get_if<WatchData>(&message);
      if (to == link && look != nullptr) looks.push_back(*look);
    }
    return looks;
  }
  void Reached(LinkId link, SessionId session, int64_t examples,
               bool ended = false) {
    FromWorker(link, DataReached{session, job_, examples, ended});
  }
  absl::Status Finish(std::optional<int64_t> examples) {
    SchedulerActions actions;
    absl::Status status = core_->FinishJob(job_, examples, now_, &actions);
    Do(std::move(actions));
    return status;
  }

  SchedulerOptions options_;
};

TEST_F(SchedulerGrowingTest, OneWorkerLooksAndGetsWhatItFinds) {
  FromWorker(kLink, RegisterWorker{kWorker, "w"});
  ASSERT_THAT(Looks(kLink), SizeIs(1));
  EXPECT_EQ(Looks(kLink)[0].known, 0);
  FromWorker(kLink, LeaseRequest{kWorker, 1});
  WorkerUp(kOtherLink, kOther);
  EXPECT_THAT(Looks(kOtherLink), IsEmpty());
  EXPECT_THAT(Leases(kOtherLink), IsEmpty());

  Reached(kLink, kWorker, 3);

  // Two of the first item, and one of the next; and the next look.
  ASSERT_THAT(Leases(kLink), SizeIs(1));
  EXPECT_EQ(Leases(kLink)[0].reached, 2);
  ASSERT_THAT(Leases(kOtherLink), SizeIs(1));
  EXPECT_EQ(Leases(kOtherLink)[0].item, (ItemId{0, 1}));
  EXPECT_EQ(Leases(kOtherLink)[0].reached, 1);
  ASSERT_THAT(Looks(kLink), SizeIs(1));
  EXPECT_EQ(Looks(kLink)[0].known, 3);
}

TEST_F(SchedulerGrowingTest, OnlyTheWorkerThatLooksIsBelieved) {
  WorkerUp(kLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  Reached(kOtherLink, kOther, 8);
  Reached(kOtherLink, kWorker, 8);  // Not its session.
  EXPECT_THAT(Leases(kLink), IsEmpty());
  EXPECT_EQ(job().leases().reached(), 0);
}

TEST_F(SchedulerGrowingTest, ALookGoesToAnotherWhenItsWorkerIsGone) {
  WorkerUp(kLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  WorkerGone(kLink);
  EXPECT_THAT(Looks(kOtherLink), SizeIs(1));
}

TEST_F(SchedulerGrowingTest, ALookGoesToAnotherWhenItsWorkerSaysNothing) {
  WorkerUp(kLink, kWorker);
  WorkerUp(kOtherLink, kOther);
  Tick(options_.look_timeout);
  EXPECT_THAT(Looks(kOtherLink), SizeIs(1));
}

TEST_F(SchedulerGrowingTest, AnEndIsDecidedWhenAllIsStoredUnderNewTerms) {
  WorkerUp(kLink, kWorker);
  Reached(kLink, kWorker, 5);
  const Generation before = job().state().generation;
  const Term term = job().placement().at(PartitionId(0)).drawn;

  EXPECT_THAT(std::string(Finish(6).message()), HasSubstr("5 examples"));
  ASSERT_TRUE(Finish(3).ok());

  // No worker holds an item, and what was pushed before counts no more.
  EXPECT_THAT(job().leases().held(), IsEmpty());
  EXPECT_GT(job().placement().at(PartitionId(0)).drawn, term);
  FromWorker(kLink, LeaseRequest{kWorker, 1});
  EXPECT_THAT(Leases(kLink), IsEmpty());
  Registers(2, 1);
  EXPECT_TRUE(job().plan().endless());
  Stored(2);
  // It has more than was asked for.
  EXPECT_FALSE(job().plan().endless());
  EXPECT_EQ(job().plan().AllExamples(), 4);
  EXPECT_GT(job().state().generation, before);
  EXPECT_THAT(job().state().rollback.versions, SizeIs(2));
  Registers(2, 2);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

TEST_F(SchedulerGrowingTest, ASchedulerThatRestartsStillKnowsThatItIsToEnd) {
  WorkerUp(kLink, kWorker);
  Reached(kLink, kWorker, 5);
  ASSERT_TRUE(Finish(std::nullopt).ok());
  Restart(stored_, options_);
  ServerUp({Registration(2, 2)});
  Registers(2, 2);
  EXPECT_FALSE(job().plan().endless());
  EXPECT_EQ(job().plan().AllExamples(), 5);
}

TEST_F(SchedulerGrowingTest, TheEndOfTheDataIsAnOrder) {
  WorkerUp(kLink, kWorker);
  Reached(kLink, kWorker, 3, /*ended=*/true);
  Registers();
  EXPECT_FALSE(job().plan().endless());
  EXPECT_EQ(job().plan().AllExamples(), 3);
}

TEST_F(SchedulerGrowingTest, AJobWithoutAnyExampleCannotEnd) {
  WorkerUp(kLink, kWorker);
  EXPECT_THAT(std::string(Finish(std::nullopt).message()),
              HasSubstr("ebb cancel"));
  EXPECT_TRUE(job().plan().endless());
}

}  // namespace
}  // namespace ebb::scheduler
