// Jobs in rounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

// A SchedulerFixture in rounds of one item.
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

// Joins the result of the round before and each partition's first figure.
class Joining final : public Coordinator {
 public:
  absl::StatusOr<std::string> Next(
      const RoundPlace& place, absl::string_view before,
      const std::vector<std::vector<double>>& figures) const override {
    std::string all(before);
    absl::StrAppend(&all, place.round, place.last ? "!" : ":");
    for (const auto& one : figures) absl::StrAppend(&all, " ", one[0]);
    return all + "; ";
  }
  std::optional<double> LossSum(absl::string_view operation) const override {
    return static_cast<double>(operation.size());
  }
  std::optional<Validation> ValidationOf(
      absl::string_view operation) const override {
    return Validation{.trees = static_cast<int64_t>(operation.size())};
  }
  std::string Describe(absl::string_view operation) const override {
    return std::string(operation);
  }
};

// Rounds of one item, each closed by an operation.
class OperatedRoundsTest : public SchedulerRoundsTest {
 protected:
  OperatedRoundsTest() {
    options_.coordinator = [](const JobRecord&) {
      return std::make_shared<const Joining>();
    };
    Restart({}, options_);
    ServerUp();
    JobRecord record = Record();
    record.plan.consistency.kind = ConsistencyKind::kRounds;
    record.plan.consistency.round_items = 1;
    record.plan.consistency.rounds_in_memory = 4;
    record.plan.algorithm.operated = true;
    Submit(record);
    Register();
  }

  // Of one partition, which waits.
  void Figures(int32_t partition, int64_t round, double figure,
               std::optional<Term> term = std::nullopt) {
    const PartitionId p(partition);
    PartitionMarkReport report;
    report.partition = p;
    report.term = term.value_or(job().placement().at(p).drawn);
    report.figures = RoundFigures{round, {figure}};
    FromServer(
        MarkReport{kServerSession, job_, job().state().generation, {report}},
        kServerSession);
  }
  std::string Ordered(int64_t round) const {
    for (const ApplyOperation& order : ToServer<ApplyOperation>()) {
      if (order.operation.round == round) return order.operation.operation;
    }
    return "";
  }

  SchedulerOptions options_;
};

TEST_F(OperatedRoundsTest, AnOperationIsMadeWhenEveryPartitionWaits) {
  Figures(0, 0, 5);
  EXPECT_EQ(Ordered(0), "");
  Figures(1, 0, 7);
  EXPECT_EQ(Ordered(0), "0: 5 7; ");
  // One message for both partitions of the server.
  EXPECT_THAT(ToServer<ApplyOperation>(), SizeIs(1));
  // Measured anew, after its push was dropped: it is told again.
  Figures(1, 0, 7);
  EXPECT_EQ(Ordered(0), "0: 5 7; ");
}

TEST_F(OperatedRoundsTest, FiguresOfAnOlderTermOrRoundAreNothing) {
  Figures(0, 0, 5);
  Figures(1, 0, 7, Term(1));
  Figures(1, 1, 7);
  EXPECT_EQ(Ordered(0), "");
  Figures(1, 0, 8);
  EXPECT_EQ(Ordered(0), "0: 5 8; ");
}

// Partition 0 applied the operation, partition 1 came back without it.
TEST_F(OperatedRoundsTest, AnotherSchedulerLearnsThemFromWhoAppliedThem) {
  Restart(stored_, options_);
  JobRegistration registration = Registration(0, 0);
  ServerUp({registration});
  registration = Registration(0, 0);
  registration.partitions[0].marks = MarksOf(job().plan(), 1);
  registration.partitions[0].operations = {{0, "first; "}};
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  Figures(1, 0, 9);
  EXPECT_EQ(Ordered(0), "first; ");
  // And makes the next of it.
  PartitionMarkReport closed;
  closed.partition = PartitionId(1);
  closed.term = job().placement().at(PartitionId(1)).drawn;
  closed.marks = {{{0, 0}, 2}};
  FromServer(
      MarkReport{kServerSession, job_, job().state().generation, {closed}},
      kServerSession);
  EXPECT_THAT(job().parts().rounds.LossSums(), ElementsAre(Pair(0, 7)));
  EXPECT_EQ(job().parts().rounds.LatestValidation(), Validation{.trees = 7});
  Figures(0, 1, 3);
  Figures(1, 1, 4);
  EXPECT_EQ(Ordered(1), "first; 1: 3 4; ");
  // It is not closed yet.
  EXPECT_THAT(job().parts().rounds.LossSums(), SizeIs(1));
  EXPECT_EQ(job().parts().rounds.LatestValidation(), Validation{.trees = 7});
}

// Who waited in a later round, which nobody could make yet, kept those from
// being told who came back with an older one.
TEST_F(OperatedRoundsTest, WhoIsBehindIsToldWhileOthersWaitInALaterRound) {
  Figures(0, 0, 5);
  Figures(1, 0, 7);
  const std::string first = Ordered(0);
  JobRegistration registration = Registration(1, 0);
  registration.partitions[0].operations = {{0, first}};
  registration.partitions[1].marks = MarksOf(job().plan(), 0);
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  EXPECT_EQ(job().marks().marks(PartitionId(0)).first_open_round(), 1);
  Figures(0, 1, 3);
  EXPECT_EQ(Ordered(1), "");
  Figures(1, 0, 7);
  EXPECT_EQ(Ordered(0), first);
}

// A job of two epochs becomes one of the first alone.
TEST_F(OperatedRoundsTest, AnOperationMayEndTheJob) {
  class Ending final : public Coordinator {
   public:
    absl::StatusOr<std::string> Next(
        const RoundPlace&, absl::string_view,
        const std::vector<std::vector<double>>&) const override {
      return "end";
    }
    absl::StatusOr<bool> Ends(absl::string_view operation) const override {
      return operation == "end";
    }
    std::optional<double> LossSum(absl::string_view) const override {
      return 12.5;
    }
    std::string Describe(absl::string_view operation) const override {
      return std::string(operation);
    }
  };
  options_.coordinator = [](const JobRecord&) {
    return std::make_shared<const Ending>();
  };
  options_.shortened = [](const JobRecord& record, const JobEnd& end) {
    JobRecord shorter = record;
    shorter.plan.epochs = end.epochs;
    shorter.specification = "a shorter one";
    return shorter;
  };
  Restart({}, options_);
  ServerUp();
  JobRecord record = Record();
  record.plan.epochs = 2;
  record.plan.consistency.kind = ConsistencyKind::kRounds;
  record.plan.consistency.round_items = record.plan.shards();
  record.plan.consistency.rounds_in_memory = 4;
  record.plan.algorithm.operated = true;
  Submit(record);
  Register();
  Figures(0, 0, 5);
  Figures(1, 0, 7);
  EXPECT_EQ(Ordered(0), "end");
  EXPECT_EQ(job().plan().epochs, 2);
  const Generation before = job().state().generation;

  // Both have closed it, and stored it.
  std::vector<PartitionMarkReport> reports;
  for (int32_t p = 0; p < 2; ++p) {
    PartitionMarkReport& report = reports.emplace_back();
    report.partition = PartitionId(p);
    report.term = job().placement().at(report.partition).drawn;
    for (int32_t shard = 0; shard < job().plan().shards(); ++shard) {
      const ItemId item{0, shard};
      report.marks.push_back({item, job().plan().ItemSize(item)});
    }
    report.durable = report.marks;
    RoundVersion& version = report.stored.emplace_back();
    version.key = {job_, before, report.partition, report.term, 3};
    version.rounds = {1, 1};
  }
  FromServer(MarkReport{kServerSession, job_, before, reports}, kServerSession);

  EXPECT_EQ(job().plan().epochs, 1);
  EXPECT_NE(job().state().generation, before);
  EXPECT_THAT(job().state().rollback.versions, SizeIs(2));
  EXPECT_EQ(job().state().rolled_back, "");
  EXPECT_THAT(log_, ::testing::Contains(::testing::HasSubstr(
                        "converged. It ends after 1 epoch,")));
  // Bug: a report lacked the inertia of a job that had converged.
  const auto shards = job().plan().shards();
  FromServer(RegisterPartitions{kServerSession, Registration(shards, shards)},
             kServerSession);
  EXPECT_THAT(job().parts().rounds.LossSums(), ElementsAre(Pair(0, 12.5)));
}

TEST_F(OperatedRoundsTest, WithoutTheOneBeforeThereIsNoNext) {
  JobRegistration registration = Registration(1, 1);
  FromServer(RegisterPartitions{kServerSession, registration}, kServerSession);
  Figures(0, 1, 3);
  Figures(1, 1, 4);
  EXPECT_EQ(Ordered(1), "");
  EXPECT_THAT(log_, ::testing::Contains(::testing::HasSubstr(
                        "no server has the operation of the round before")));
}

}  // namespace
}  // namespace ebb::scheduler
