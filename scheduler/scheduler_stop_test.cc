// Jobs that their evaluations end, or whose best version is kept.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A job of four epochs, each evaluated, of one server and one worker.
class SchedulerStopTest : public SchedulerFixture {
 protected:
  void Begin(std::optional<job::StopRule> stop, std::string keep_best) {
    options_.training_facts = [stop, keep_best](const JobRecord&) {
      job::TrainingFacts facts;
      facts.stop = stop;
      facts.keep_best = keep_best;
      return facts;
    };
    options_.shortened = [](const JobRecord& record, const JobEnd& end) {
      JobRecord shorter = record;
      shorter.plan.epochs = end.epochs;
      shorter.specification = absl::StrCat(end.epochs, " epochs");
      return shorter;
    };
    Restart({}, options_);
    ServerUp();
    JobRecord record = Record();
    record.plan.epochs = 4;
    record.plan.evaluate_every = 1;
    Submit(record);
    Registers(0);
    FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
    FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  }

  VersionKey Version(int32_t partition, int64_t sequence) const {
    const PartitionId p(partition);
    return {job_, job().state().generation, p, job().placement().at(p).drawn,
            sequence};
  }
  // So many epochs are full on both partitions, and durable.
  JobRegistration AtEndOf(int32_t epochs) const {
    JobRegistration registration;
    registration.record = job().record();
    registration.generation = job().state().generation;
    registration.rollback = job().state().rollback;
    MarkSet marks(job().plan());
    for (int32_t i = 0; i < epochs * job().plan().shards(); ++i) {
      EXPECT_TRUE(marks.Raise(job().plan().ItemAt(i), 2).ok());
    }
    for (int32_t p = 0; p < 2; ++p) {
      PartitionRegistration& one = registration.partitions.emplace_back();
      one.partition = PartitionId(p);
      one.term = job().placement().at(PartitionId(p)).drawn;
      one.serving = true;
      one.marks = one.durable_marks = marks.Encode();
      // The one that the generation began from, and its newest.
      if (const VersionKey* from =
              job().state().rollback.Find(PartitionId(p))) {
        if (has_kept_) one.stored.push_back({*from, {}});
      }
      one.stored.push_back({Version(p, epochs), {}});
    }
    return registration;
  }
  void Registers(int32_t epochs) {
    FromServer(RegisterPartitions{kServerSession, AtEndOf(epochs)},
               kServerSession);
  }
  // Applied, and not durable.
  void Applied(int32_t epoch) {
    std::vector<PartitionMarkReport> reports;
    for (int32_t p = 0; p < 2; ++p) {
      PartitionMarkReport& report = reports.emplace_back();
      report.partition = PartitionId(p);
      report.term = job().placement().at(report.partition).drawn;
      for (int32_t shard = 0; shard < job().plan().shards(); ++shard) {
        report.marks.push_back({{epoch, shard}, 2});
      }
    }
    FromServer(MarkReport{kServerSession, job_, job().state().generation,
                          std::move(reports)},
               kServerSession);
  }
  void Stored(int32_t epoch) {
    std::vector<PartitionMarkReport> reports;
    for (int32_t p = 0; p < 2; ++p) {
      PartitionMarkReport& report = reports.emplace_back();
      report.partition = PartitionId(p);
      report.term = job().placement().at(report.partition).drawn;
      for (int32_t shard = 0; shard < job().plan().shards(); ++shard) {
        report.durable.push_back({{epoch, shard}, 2});
      }
      report.stored.push_back({Version(p, epoch + 1), {}});
      if (const VersionKey* from =
              job().state().rollback.Find(PartitionId(p))) {
        if (has_kept_) report.stored.push_back({*from, {}});
      }
    }
    FromServer(MarkReport{kServerSession, job_, job().state().generation,
                          std::move(reports)},
               kServerSession);
  }
  bool Asked() const {
    return std::ranges::any_of(to_server_, [](const auto& message) {
      return std::holds_alternative<CheckpointNow>(message);
    });
  }
  // The last event asked for it; 0: none.
  int64_t SnapshotAsked() const {
    for (const SchedulerToServer& message : to_server_) {
      const auto* take = std::get_if<TakeSnapshot>(&message);
      if (take != nullptr) return take->snapshot;
    }
    return 0;
  }
  void Evaluated(int64_t snapshot, double loss) {
    SnapshotReply reply;
    reply.job = job_;
    reply.generation = job().state().generation;
    reply.snapshot = snapshot;
    for (const PartitionId p : {PartitionId(0), PartitionId(1)}) {
      reply.partitions.emplace_back(p, job().placement().at(p).drawn);
    }
    FromServer(reply, kServerSession);
    EvaluationResult result{kWorker, job_, job().state().generation, snapshot};
    result.examples = 10;
    result.correct = correct_;
    result.loss_sum = 10 * loss;
    result.figures.named = figures_;
    FromWorker(kWorkerLink, result);
  }
  // The epoch is trained, stored and evaluated; where a generation begins, the
  // server goes on in it.
  void Epoch(int32_t epoch, double loss) {
    Applied(epoch);
    Stored(epoch);
    const Generation before = job().state().generation;
    Evaluated(SnapshotAsked(), loss);
    const bool kept = job().state().generation != before;
    if (kept) Registers(std::min(epoch + 1, job().plan().epochs));
  }

  SchedulerOptions options_;
  bool has_kept_ = true;
  // The figure that the evaluations to come find.
  int64_t correct_ = 5;
  std::vector<Figure> figures_;
};

// Bug: a share that a program told became a count of right examples, and was
// shown as another share.
TEST_F(SchedulerStopTest, FiguresAreThoseThatTheProgramTold) {
  Begin(job::StopRule{"loss", 2, 0}, "");
  correct_ = -1;
  figures_ = {{"accuracy", 0.31}, {"loss", 0.7}};
  Epoch(0, 0.75);
  ASSERT_EQ(job().state().evaluations.size(), 1u);
  EXPECT_EQ(job().state().evaluations[0].accuracy, 0.31);
  EXPECT_EQ(job().state().evaluations[0].loss, 0.7);
}

TEST_F(SchedulerStopTest, AnEpochIsStoredAndEvaluatedBeforeTheNextBegins) {
  Begin(job::StopRule{"loss", 2, 0}, "");
  Applied(0);
  EXPECT_TRUE(Asked());
  EXPECT_EQ(SnapshotAsked(), 0);
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 9});
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  Stored(0);
  const int64_t snapshot = SnapshotAsked();
  ASSERT_NE(snapshot, 0);
  EXPECT_THAT(Leases(kWorkerLink), IsEmpty());
  Evaluated(snapshot, 1);
  ASSERT_THAT(Leases(kWorkerLink), SizeIs(::testing::Ge(1)));
  EXPECT_EQ(Leases(kWorkerLink)[0].item, (ItemId{1, 0}));
}

TEST_F(SchedulerStopTest, EndsAfterEvaluationsWithoutABetterOne) {
  Begin(job::StopRule{"loss", 2, 0}, "");
  const Generation first = job().state().generation;
  Epoch(0, 1);
  Epoch(1, 2);
  EXPECT_EQ(job().state().generation, first);
  EXPECT_EQ(job().plan().epochs, 4);
  const VersionKey version = Version(1, 3);
  Epoch(2, 1);
  EXPECT_EQ(job().plan().epochs, 3);
  EXPECT_EQ(job().state().rollback.versions.back(), version);
  EXPECT_EQ(job().state().ended,
            "stopped after epoch 3: 2 evaluations without a better loss than "
            "that of epoch 1 (1)");
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  EXPECT_THAT(job().state().evaluations, SizeIs(3));
  EXPECT_EQ(job().state().rolled_back, "");
}

TEST_F(SchedulerStopTest, ALossThatIsNoNumberIsNoBetterAndIsSaid) {
  Begin(job::StopRule{"loss", 2, 0}, "");
  Epoch(0, 1);
  Epoch(1, std::numeric_limits<double>::quiet_NaN());
  Epoch(2, 2);
  EXPECT_EQ(job().plan().epochs, 3);
  EXPECT_EQ(job().state().ended,
            "stopped after epoch 3: 2 evaluations without a better loss than "
            "that of epoch 1 (1), 1 of them with a loss that is no finite "
            "number");
}

TEST_F(SchedulerStopTest, EndsWhenTheFigureIsAsGoodAsWanted) {
  Begin(
      job::StopRule{
          .figure = "loss", .patience = job::kEndlessPatience, .reach = 0.5},
      "");
  Epoch(0, 2);
  Epoch(1, 3);
  EXPECT_EQ(job().plan().epochs, 4);
  Epoch(2, 0.25);
  EXPECT_EQ(job().plan().epochs, 3);
  EXPECT_EQ(job().state().ended,
            "stopped after epoch 3: loss 0.25 reaches the wanted 0.5");
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

TEST_F(SchedulerStopTest, ASchedulerThatStartsAnewDecidesTheSame) {
  Begin(job::StopRule{"loss", 2, 0}, "");
  Epoch(0, 1);
  Epoch(1, 2);
  Applied(2);
  Stored(2);
  const int64_t lost = SnapshotAsked();
  const JobRegistration registration = AtEndOf(3);

  Restart(stored_, options_);
  FromWorker(kWorkerLink, RegisterWorker{kWorker, "w"});
  FromWorker(kWorkerLink, LeaseRequest{kWorker, 1});
  ServerUp({registration});
  Registers(3);
  const int64_t snapshot = SnapshotAsked();
  ASSERT_NE(snapshot, 0);
  EXPECT_NE(snapshot, lost);
  EXPECT_THAT(job().leases().held(), IsEmpty());
  Evaluated(snapshot, 3);
  EXPECT_EQ(job().plan().epochs, 3);
}

TEST_F(SchedulerStopTest, TheBestVersionIsWhatItsGenerationBeganFrom) {
  Begin(std::nullopt, "loss");
  const VersionKey first = Version(0, 1);
  Epoch(0, 3);
  EXPECT_EQ(job().state().rollback.versions.front(), first);
  ASSERT_NE(job().state().Kept(), nullptr);
  EXPECT_EQ(job().state().Kept()->epoch, 0);
  const VersionKey second = Version(0, 2);
  Epoch(1, 1);
  EXPECT_EQ(job().state().rollback.versions.front(), second);
  const Generation kept_in = job().state().generation;
  Epoch(2, 2);
  EXPECT_EQ(job().state().generation, kept_in);
  Epoch(3, std::numeric_limits<double>::quiet_NaN());
  EXPECT_NE(job().state().generation, kept_in);
  EXPECT_EQ(job().plan().epochs, 2);
  EXPECT_EQ(job().state().rollback.versions.front(), second);
  EXPECT_EQ(job().state().ended,
            "went back from epoch 4 to epoch 2, the best by loss 1");
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  EXPECT_EQ(job().state().Kept()->epoch, 1);
  // What is said of the result is said of its version.
  EXPECT_THAT(job().state().evaluations, SizeIs(2));
}

TEST_F(SchedulerStopTest, TheLastMayBeTheBest) {
  Begin(job::StopRule{"loss", 2, 0}, "loss");
  for (int32_t epoch = 0; epoch < 4; ++epoch) Epoch(epoch, 4 - epoch);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  EXPECT_EQ(job().plan().epochs, 4);
  EXPECT_EQ(job().state().ended, "");
  ASSERT_NE(job().state().Kept(), nullptr);
  EXPECT_EQ(job().state().Kept()->epoch, 3);
}

TEST_F(SchedulerStopTest, StopsAndGoesBack) {
  Begin(job::StopRule{"loss", 1, 0}, "loss");
  Epoch(0, 1);
  Epoch(1, 2);
  EXPECT_EQ(job().plan().epochs, 1);
  EXPECT_THAT(job().state().ended,
              HasSubstr("stopped after epoch 2: 1 evaluation without a better "
                        "loss than that of epoch 1 (1); went back from epoch 2 "
                        "to epoch 1"));
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

TEST_F(SchedulerStopTest, AKeptVersionThatIsGoneIsSaidToBe) {
  Begin(std::nullopt, "loss");
  Epoch(0, 1);
  Epoch(1, 2);
  has_kept_ = false;
  Epoch(2, 2);
  Epoch(3, 2);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  EXPECT_EQ(job().plan().epochs, 4);
  EXPECT_THAT(log_, Contains(HasSubstr("cannot go back to epoch 1")));
}

TEST_F(SchedulerStopTest, AResultThatIsLostIsEvaluatedAgain) {
  Begin(std::nullopt, "loss");
  Epoch(0, 1);
  Epoch(1, 2);
  Epoch(2, 2);
  Applied(3);
  Stored(3);
  Evaluated(SnapshotAsked(), 2);
  ASSERT_EQ(job().plan().epochs, 1);
  // The server finds that the kept version is damaged.
  has_kept_ = false;
  Registers(0);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  EXPECT_THAT(job().state().evaluations, IsEmpty());
  EXPECT_EQ(job().state().Kept(), nullptr);
  EXPECT_THAT(log_, Contains(HasSubstr("forgets its evaluations from epoch 1 "
                                       "on")));
  Applied(0);
  Stored(0);
  ASSERT_NE(SnapshotAsked(), 0);
  Evaluated(SnapshotAsked(), 5);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
  ASSERT_NE(job().state().Kept(), nullptr);
  EXPECT_EQ(job().state().Kept()->loss, 5);
  EXPECT_EQ(job().state().ended,
            "went back from epoch 4 to epoch 1, the best by loss 1; its values "
            "were lost, and are computed again");
}

// Bug: the operator was told that the job had rolled back.
TEST_F(SchedulerStopTest, ARollbackThatComesTooLateIsToldWhatTheJobDid) {
  Begin(job::StopRule{"loss", 2, 0}, "loss");
  const auto refusal = [&](Generation looked_at) {
    RollbackOrder order;
    order.generation = looked_at;
    SchedulerActions actions;
    const absl::Status refused = core_->Rollback(job_, order, now_, &actions);
    EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
    return std::string(refused.message());
  };
  const Generation first = job().state().generation;
  Epoch(0, 1);
  EXPECT_THAT(refusal(first),
              HasSubstr("meanwhile it kept the version of epoch 1 as its best "
                        "(keep_best). Look again"));
  const Generation second = job().state().generation;
  Epoch(1, 2);
  Epoch(2, 2);
  EXPECT_THAT(refusal(second),
              HasSubstr("meanwhile it ended: stopped after epoch 3"));
}

TEST_F(SchedulerStopTest, WhatIsKeptIsStoredWithTheJob) {
  Begin(std::nullopt, "loss");
  Epoch(0, 1);
  const JobRegistration registration = AtEndOf(1);
  Restart(stored_, options_);
  ServerUp({registration});
  Registers(1);
  ASSERT_NE(job().state().Kept(), nullptr);
  EXPECT_EQ(job().state().Kept()->epoch, 0);
}

}  // namespace
}  // namespace ebb::scheduler
