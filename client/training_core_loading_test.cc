// Jobs that are loaded, and snapshots that are evaluated, beside training.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "client/testing/training_core_fixture.h"
#include "client/training_core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TrainingCoreTest;

// Bug: a worker whose data could not be fetched for a minute was never asked
// about that job again.
TEST_F(TrainingCoreTest, LoadsAgainWhatWasUnavailable) {
  Connect();
  FromScheduler(LeaseOf(0));
  const absl::Status away = absl::UnavailableError("gone");
  int loads = 0;
  const auto tick = [&](absl::Duration later) {
    now_ += later;
    On([&](auto* out) {
      core_.OnTick(now_, out);
      for (const ClientAction& action : *out) {
        loads += std::holds_alternative<PrepareJob>(action) ? 1 : 0;
      }
    });
  };

  // Its lease is renewed meanwhile, as while it loads.
  for (int tried = 1; tried < 10; ++tried) {
    On([&](auto* out) { core_.OnJobReady(record_->id, away, now_, out); });
    EXPECT_THAT(sent_, IsEmpty());
    tick(absl::Seconds(4));
    EXPECT_THAT(Sent<Progress>(), SizeIs(1));
    EXPECT_EQ(loads, tried - 1);
    EXPECT_LE(core_.NextTick(), now_ + absl::Seconds(1));
    tick(absl::Seconds(1));
    EXPECT_EQ(loads, tried);
  }
  On([&](auto* out) { core_.OnJobReady(record_->id, away, now_, out); });

  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kFailed);
  EXPECT_THAT(Sent<ItemEnd>()[0].error, HasSubstr("gone"));
}

// Bug: it went on with what it had prepared of the job as it was before.
TEST_F(TrainingCoreTest, AJobThatChangesWhileItIsPreparedIsPreparedAnew) {
  Connect();
  std::vector<JobRecordPtr> prepared;
  const auto keep = [&](const ClientActions& actions) {
    for (const ClientAction& action : actions) {
      const auto* one = std::get_if<PrepareJob>(&action);
      if (one != nullptr) prepared.push_back(one->record);
    }
  };
  const auto lease = [&](uint64_t generation) {
    On([&](auto* out) {
      core_.OnScheduler(LeaseOf(0, generation), now_, out);
      keep(*out);
    });
  };
  const auto ready = [&] {
    On([&](auto* out) {
      core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
      keep(*out);
    });
  };
  lease(1);
  const auto changed = std::make_shared<JobRecord>(*record_);
  changed->specification = "with more epochs";
  record_ = changed;
  lease(2);
  EXPECT_THAT(prepared, SizeIs(1)) << "one at a time";

  ready();
  ASSERT_THAT(prepared, SizeIs(2));
  EXPECT_EQ(prepared[1]->specification, record_->specification);
  FromScheduler(PlacementOf(5, 2));
  EXPECT_THAT(open_pulls_, IsEmpty());
  ready();
  EXPECT_THAT(prepared, SizeIs(2));
  EXPECT_FALSE(open_pulls_.empty());
}

// What was lost meanwhile is not loaded for.
TEST_F(TrainingCoreTest, LoadsNothingForNobody) {
  Connect();
  FromScheduler(LeaseOf(0));
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::UnavailableError("gone"), now_, out);
  });
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});

  now_ += absl::Seconds(60);
  ClientActions actions;
  core_.OnTick(now_, &actions);

  for (const ClientAction& action : actions) {
    EXPECT_FALSE(std::holds_alternative<PrepareJob>(action));
  }
  // With the next lease it is.
  actions.clear();
  core_.OnScheduler(LeaseOf(1), now_, &actions);
  EXPECT_TRUE(std::any_of(actions.begin(), actions.end(), [](const auto& one) {
    return std::holds_alternative<PrepareJob>(one);
  }));
}

// Bug: it was reported as failed, and given up after five such reports while
// the data's source was away for a moment.
TEST_F(TrainingCoreTest, AnEvaluationWaitsForWhatIsLoadedAgain) {
  Connect();
  FromScheduler(EvaluationOf(record_));
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::UnavailableError("gone"), now_, out);
  });
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());
  EXPECT_EQ(core_.NextTick(), now_ + absl::Seconds(5));
  int loads = 0;
  now_ += absl::Seconds(5);
  On([&](auto* out) {
    core_.OnTick(now_, out);
    for (const ClientAction& action : *out) {
      loads += std::holds_alternative<PrepareJob>(action) ? 1 : 0;
    }
  });
  EXPECT_EQ(loads, 1);
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());
  On([&](auto* out) {
    core_.OnJobReady(record_->id, absl::NotFoundError("no file"), now_, out);
  });
  ASSERT_THAT(Sent<EvaluationResult>(), SizeIs(1));
  EXPECT_EQ(Sent<EvaluationResult>()[0].error,
            "the job cannot be computed here");
}

// It evaluates snapshot 50, and holds an item whose values are on their way.
class EvaluatingCoreTest : public TrainingCoreTest {
 protected:
  EvaluatingCoreTest() {
    Begin(LeaseOf(0));
    const std::vector<SendPull> for_batch = std::exchange(open_pulls_, {});
    FromScheduler(EvaluationOf(record_));
    EXPECT_EQ(evaluations_, 0);
    AnswerPulls();
    EXPECT_EQ(evaluations_, 1);
    open_pulls_ = for_batch;
  }
  void Evaluated() {
    EvaluationResult result;
    result.examples = 1;
    On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  }
};

// Bug: it gave nothing back, and did not leave, before it was done.
TEST_F(EvaluatingCoreTest, LeavesWithoutWaitingForAnEvaluation) {
  On([&](auto* out) { core_.Drain(now_, out); });

  EXPECT_TRUE(core_.Drained());
  ASSERT_THAT(Sent<EvaluationResult>(), SizeIs(1));
  EXPECT_EQ(Sent<EvaluationResult>()[0].error, "the worker is leaving");
  ASSERT_THAT(Sent<ItemEnd>(), SizeIs(1));
  EXPECT_EQ(Sent<ItemEnd>()[0].end, LeaseEnd::kReturned);
  EXPECT_THAT(Sent<WorkerGoodbye>(), SizeIs(1));
  Evaluated();
  EXPECT_THAT(sent_, IsEmpty());
}

// The scheduler has another begun, and waits for that alone.
TEST_F(EvaluatingCoreTest, NoEvaluationOutlivesItsSession) {
  Connect();
  Evaluated();
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());

  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  open_pulls_.clear();
  FromScheduler(EvaluationOf(record_));
  AnswerPulls();
  EXPECT_EQ(evaluations_, 2);
  Evaluated();
  EXPECT_THAT(Sent<EvaluationResult>(), SizeIs(1));
}

// Bug: the scheduler refused the message, and ended the worker's session.
TEST_F(EvaluatingCoreTest, ReportsWhyFiguresAreNotAllowed) {
  EvaluationResult result;
  result.examples = 3;
  result.correct = 4;
  On([&](auto* out) { core_.OnEvaluated(result, now_, out); });

  const auto sent = Sent<EvaluationResult>();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0].error, HasSubstr("4 correct of 3 examples"));
  EXPECT_EQ(sent[0].examples, 0);
  EXPECT_EQ(sent[0].correct, 0);
}

// Bug: its leases ran out, and the item was blamed.
TEST_F(TrainingCoreTest, KeepsItsItemsWhileItLoadsWhatItEvaluates) {
  Begin(LeaseOf(0));
  auto other = std::make_shared<JobRecord>(*record_);
  other->id = JobId(8);
  FromScheduler(EvaluationOf(other));

  Tick(absl::Seconds(10));
  EXPECT_THAT(Sent<Progress>(), SizeIs(1));
  On([&](auto* out) { core_.OnJobReady(other->id, {}, now_, out); });
  Tick(absl::Seconds(1));
  EXPECT_THAT(Sent<Progress>(), SizeIs(1));
  Tick(absl::Seconds(10));  // Nothing advanced since.
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

TEST_F(TrainingCoreTest, ALoadThatWaitsForABatchThatHangsKeepsNoItems) {
  Begin(LeaseOf(0));
  AnswerPulls();
  ASSERT_TRUE(core_.computing());
  auto other = std::make_shared<JobRecord>(*record_);
  other->id = JobId(8);
  FromScheduler(EvaluationOf(other));

  Tick(absl::Seconds(10));
  EXPECT_THAT(Sent<Progress>(), IsEmpty());
}

TEST_F(TrainingCoreTest, AnEvaluationWaitsForTheOneItReplaced) {
  Begin(LeaseOf(0));
  EvaluationLease lease = EvaluationOf(record_);
  pulls_.clear();
  FromScheduler(LeaseLost{record_->id, Generation(1), {0, 0}});
  FromScheduler(lease);
  AnswerPulls();
  EXPECT_EQ(evaluations_, 1);
  lease.snapshot = 51;  // The scheduler lost its patience.
  FromScheduler(lease);
  AnswerPulls();
  EXPECT_EQ(evaluations_, 1);
  EvaluationResult result;
  result.examples = 1;
  On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  EXPECT_THAT(Sent<EvaluationResult>(), IsEmpty());  // It was of snapshot 50.
  EXPECT_EQ(evaluations_, 2);
  On([&](auto* out) { core_.OnEvaluated(result, now_, out); });
  ASSERT_THAT(Sent<EvaluationResult>(), SizeIs(1));
  EXPECT_EQ(Sent<EvaluationResult>()[0].snapshot, 51);
}

}  // namespace
}  // namespace ebb::client
