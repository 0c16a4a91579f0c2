// Explanations of jobs that wait in rounds, or within a staleness bound.
#include <memory>
#include <string>
#include <vector>

#include "algorithms/coordinator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scheduler/answers/explain.h"
#include "scheduler/answers/explain_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Reason = v1::WaitReason;

using ExplainRoundsTest = ExplainFixture;

TEST_F(ExplainRoundsTest, ParkedBySsp) {
  FirstIsParkedBySsp();
  watch_.Look(*core_, now_);
  now_ += absl::Milliseconds(500);
  EXPECT_THAT(Only(Reason::KIND_PARKED_BY_SSP),
              AllOf(HasSubstr("worker a is at clock 7"),
                    HasSubstr("worker b at clock 2"), HasSubstr("bound 4")));
  EXPECT_EQ(Explain()[0].subject(), "worker a");
  EXPECT_EQ(Explain()[0].for_ms(), 500);
}

// A slow worker, one that stands still, and one that does not reach a server
// look alike to the worker that waits.
TEST_F(ExplainRoundsTest, WhyTheSlowestIsSlowIsToldApart) {
  FirstIsParkedBySsp();
  const auto parked = [this] {
    for (const Reason& reason : Explain()) {
      if (reason.kind() == Reason::KIND_PARKED_BY_SSP) return reason.text();
    }
    return std::string();
  };
  EXPECT_THAT(parked(), HasSubstr("nothing: it goes on when worker b does"));
  now_ += absl::Seconds(2);
  ServerSpeaks();
  EXPECT_THAT(parked(),
              HasSubstr("look at the log and the machine of worker b"));
  DoesNotReach(kSecondLink, kSecond, /*goes_on=*/true);
  EXPECT_THAT(parked(), HasSubstr("mend what the other does not reach"));
}

TEST_F(ExplainRoundsTest, AnOpenRound) {
  FirstHoldsARound();
  EXPECT_THAT(Only(Reason::KIND_ROUND_OPEN),
              AllOf(HasSubstr("round 0 is open: 1 of 2 items are full"),
                    HasSubstr("in work at worker a")));
}

// Rounds of two items, each closed by an operation.
class ExplainOperatedTest : public ExplainFixture {
 protected:
  class Named final : public Coordinator {
   public:
    absl::StatusOr<std::string> Next(
        const RoundPlace&, absl::string_view,
        const std::vector<std::vector<double>>&) const override {
      return "an operation";
    }
    std::optional<Validation> ValidationOf(absl::string_view) const override {
      return Validation{
          .left = 8, .text = "of 5 trees the first 3 have the smallest loss"};
    }
    std::string Describe(absl::string_view operation) const override {
      return std::string(operation);
    }
  };

  ExplainOperatedTest() {
    record_.plan.consistency.kind = ConsistencyKind::kRounds;
    record_.plan.consistency.round_items = 2;
    record_.plan.algorithm.operated = true;
  }
  // Of an open round whose last push is held in the partitions of `waiting`.
  void Begin(bool with_coordinator, const std::vector<int32_t>& waiting) {
    SchedulerOptions options;
    if (with_coordinator) {
      options.coordinator = [](const JobRecord&) {
        return std::make_shared<const Named>();
      };
    }
    Restart(options);
    ServerUp();
    Submit();
    Register(1);
    WorkerUp(kFirstLink, kFirst, "a");
    WorkerUp(kSecondLink, kSecond, "b");  // Nothing is open for it.
    for (const int32_t p : waiting) {
      MarkReport report;
      report.session = kServerSession;
      report.job = job_;
      report.generation = job().state().generation;
      PartitionMarkReport& one = report.partitions.emplace_back();
      one.partition = PartitionId(p);
      one.term = job().placement().at(PartitionId(p)).drawn;
      one.figures = RoundFigures{0, {1}};
      FromServer(report);
    }
  }
};

TEST_F(ExplainOperatedTest, WaitsForTheLastExamplesOfARound) {
  Begin(/*with_coordinator=*/true, {1});
  EXPECT_THAT(
      Only(Reason::KIND_ROUND_OPEN),
      StartsWith("round 0 is open: 1 of 2 items are full; in work at worker a; "
                 "1 of 2 partitions wait for its last examples, 1 for its "
                 "operation, which the scheduler makes when all have them. "
                 "What to do: nothing: it closes when these workers are done"));
}

TEST_F(ExplainOperatedTest, WaitsForServersToApplyTheOperation) {
  Begin(/*with_coordinator=*/true, {0, 1});
  EXPECT_THAT(
      Only(Reason::KIND_ROUND_OPEN),
      StartsWith(
          "round 0 has all its examples and waits for its operation to "
          "be applied: ps 0 has it to do in 2 partitions. What to do: "));
  // One of them has; the other came back with less.
  Applied(PartitionId(0), {0, 1}, 2);
  EXPECT_THAT(
      Only(Reason::KIND_ROUND_OPEN),
      StartsWith("round 0 has all its examples and waits for its operation to "
                 "be applied: ps 0 has it to do in 1 partition. What to do: "));
  EXPECT_EQ(Explain()[0].subject(), "round 0");
}

TEST_F(ExplainOperatedTest, SaysWhenTrainingEnds) {
  Begin(/*with_coordinator=*/true, {0, 1});
  for (const int32_t p : {0, 1}) Applied(PartitionId(p), {0, 1}, 2);
  WorkerUp(LinkId(77), SessionId(77), "c");
  EXPECT_THAT(
      Only(Reason::KIND_ROUND_OPEN),
      HasSubstr("; of 5 trees the first 3 have the smallest loss, and training "
                "ends after 8 more without a smaller one"));
}

TEST_F(ExplainOperatedTest, WaitsForAnOperationThatCannotBeMade) {
  Begin(/*with_coordinator=*/false, {0, 1});
  EXPECT_EQ(Only(Reason::KIND_ROUND_OPEN),
            "round 0 has all its examples and waits for the scheduler's "
            "operation, which cannot be made: this scheduler has no "
            "coordinators. What to do: look at the log of the scheduler; `ebb "
            "checkpoint rollback` goes back to an earlier round");
}

// Partition 0 has closed the round, the other came back with nothing.
TEST_F(ExplainOperatedTest, WaitsForExamplesOfWhoCameBackWithLess) {
  Begin(/*with_coordinator=*/true, {0, 1});
  SchedulerActions actions;
  core_->OnServerDisconnected(kServerLink, now_, &actions);
  ServerUp();
  MarkSet closed(job().plan());
  for (int32_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(closed.Raise(job().plan().ItemAt(i), 2).ok());
  }
  const std::string none = MarkSet(job().plan()).Encode();
  RegisterPartitions message{kServerSession, {}};
  message.job.record = job().record();
  message.job.generation = job().state().generation;
  for (int32_t i = 0; i < 2; ++i) {
    const PartitionId p(i);
    message.job.partitions.push_back({p, job().placement().at(p).drawn, true,
                                      i == 0 ? closed.Encode() : none, none});
  }
  message.job.partitions[0].operations = {{0, "an operation"}};
  FromServer(message);
  Wait(absl::Seconds(2));
  std::vector<std::string> open;
  for (const Reason& reason : Explain()) {
    if (reason.kind() == Reason::KIND_ROUND_OPEN) open.push_back(reason.text());
  }
  EXPECT_THAT(open, ElementsAre(HasSubstr(
                        "1 of 2 partitions wait for its last examples, 0 for "
                        "its operation, which is made")));
}

TEST_F(ExplainRoundsTest, RoundsThatMustBeDurableFirst) {
  record_.plan.consistency.kind = ConsistencyKind::kRounds;
  record_.plan.consistency.round_items = 1;
  record_.plan.consistency.rounds_in_memory = 2;
  ServerUp();
  Submit();
  Register(3);
  WorkerUp(kFirstLink, kFirst, "a");
  EXPECT_THAT(Only(Reason::KIND_NOT_DURABLE),
              HasSubstr("round 3 begins when round 1 is durable"));
}

}  // namespace
}  // namespace ebb::scheduler
