#include "server/checkpointer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "protocol/marks.h"
#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using CheckpointerTest = OnePartitionTest;

TEST_F(CheckpointerTest, NothingIsDurableBeforeAVersionOfTheTermIsStored) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written();
  GrantTerm(6, 5);
  EXPECT_EQ(DurableMark(registrations_.back()), 0);
  Written();  // The first version of term 6.
  EXPECT_EQ(writes_.back().key.term, Term(6));
  EXPECT_EQ(DurableMark(registrations_.back()), 1);
}

TEST_F(CheckpointerTest, AnIdlePartitionWritesNoVersion) {
  GrantTerm(5, 0);
  Written();
  Checkpoint();
  EXPECT_THAT(writes_, SizeIs(1));
}

TEST_F(CheckpointerTest, AFailedWriteIsTriedAgainAndLosesNothing) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(writes_, SizeIs(2));
  now_ += absl::Seconds(2);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(writes_, SizeIs(3));
  EXPECT_EQ(MarkSet::Decode(record_->plan, writes_[2].cut.marks)->mark({0, 0}),
            1);
}

// A job with a sparse table, of which each push touches all of many rows.
class SparseCheckpointerTest : public OnePartitionTest {
 protected:
  static constexpr size_t kRows = 30;

  SparseCheckpointerTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.sparse_tables = {{.width = 1}};
    record_ = record;
    Restart({});
    UseKeys(kRows);
    GrantTerm(5, 0);
    Written();
    Push(5, 0, 0);
  }
  void UseKeys(size_t count) {
    std::vector<uint64_t> keys(count);
    std::iota(keys.begin(), keys.end(), 0);
    rows_ = {{0, Payload::Of(std::move(keys)),
              Payload::Of(std::vector<float>(count, 1.0f))}};
  }
  int64_t NewBytes() const { return writes_.back().cut.row_cuts[0].NewBytes(); }
};

TEST_F(SparseCheckpointerTest, OnlyRowsThatChangedAreWritten) {
  Checkpoint();
  const int64_t all = NewBytes();
  EXPECT_GE(all, static_cast<int64_t>(kRows * sizeof(uint64_t)));
  Written();
  UseKeys(1);
  Push(5, 1, 1);
  Checkpoint();
  ASSERT_THAT(writes_, SizeIs(3));
  EXPECT_LT(NewBytes(), all / 4);
}

TEST_F(SparseCheckpointerTest, WhatAFailedWriteHadIsWrittenAgain) {
  Checkpoint();
  const int64_t all = NewBytes();
  Written(absl::ResourceExhaustedError("disk full"));
  now_ += absl::Seconds(2);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(writes_, SizeIs(3));
  EXPECT_EQ(NewBytes(), all);
}

TEST_F(SparseCheckpointerTest, WhereTheStoreLacksABlockTheNextIsWholeAtOnce) {
  Checkpoint();
  const int64_t all = NewBytes();
  Written();
  UseKeys(1);
  Push(5, 1, 1);
  Checkpoint();
  Written(absl::AbortedError("block 7 is not stored"));
  ASSERT_THAT(writes_, SizeIs(4));
  EXPECT_GE(NewBytes(), all);
  EXPECT_EQ(Statistics().problem, "");
}

// Each move of partitions looked like a disk that cannot be written.
TEST_F(CheckpointerTest, AVersionThatATakeoverForestalledIsNoProblem) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written(absl::FailedPreconditionError("p0 was taken over in term 6"));
  EXPECT_EQ(Statistics().problem, "");

  Checkpoint();
  now_ += absl::Seconds(2);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  Written(absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(Statistics().problem, "disk full");
}

TEST_F(CheckpointerTest, OldVersionsGoOnlyAfterANewerOneIsDurable) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  EXPECT_THAT(deleted_, IsEmpty());
  Written();
  ASSERT_THAT(deleted_, SizeIs(1));
  EXPECT_EQ(deleted_[0].sequence, 0);
}

TEST_F(CheckpointerTest, WhatIsLookedAtIsKeptForAWhile) {
  GrantTerm(5, 0);
  Written();
  const auto kept = core_->KeepVersions(record_->id, now_ + absl::Seconds(5));
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].key, writes_[0].key);
  Push(5, 0, 0);
  Checkpoint();
  Written();
  EXPECT_THAT(deleted_, IsEmpty());
  now_ += absl::Seconds(5);
  Push(5, 1, 1);
  Checkpoint();
  Written();
  EXPECT_THAT(deleted_, SizeIs(2));
  EXPECT_THAT(core_->KeepVersions(JobId(9), now_), IsEmpty());
}

TEST_F(CheckpointerTest, VersionsAreReportedWhenTheyChange) {
  GrantTerm(5, 0);
  Written();
  const auto keys = [](const std::vector<RoundVersion>& stored) {
    std::vector<VersionKey> keys;
    for (const RoundVersion& one : stored) keys.push_back(one.key);
    return keys;
  };
  ASSERT_THAT(registrations_.back().partitions, SizeIs(1));
  EXPECT_THAT(keys(registrations_.back().partitions[0].stored),
              ElementsAre(writes_[0].key));
  Push(5, 0, 0);
  Checkpoint();
  Written();
  now_ += absl::Minutes(1);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_FALSE(reports_.empty());
  ASSERT_THAT(reports_.back().partitions, SizeIs(1));
  // The one before is gone: one is kept.
  EXPECT_THAT(keys(reports_.back().partitions[0].stored),
              ElementsAre(writes_[1].key));
}

TEST_F(CheckpointerTest, MoreAreKeptWhereTheJobMayRollBack) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.on_nonfinite = PoisonPolicy::kRollBack;
  record->plan.checkpoint_keep = 2;
  record->plan.nonfinite_rollback.versions = 1;
  record_ = record;
  Restart({});
  GrantTerm(5, 0);
  Written();
  // The newest counts for none, as the scheduler may not have heard of it.
  for (int i = 0; i < 4; ++i) {
    now_ += absl::Seconds(10);
    Push(5, i, i);
    Checkpoint();
    Written();
    EXPECT_THAT(deleted_, SizeIs(i < 3 ? 0 : 1));
  }
  EXPECT_EQ(deleted_[0], writes_[0].key);
}

// Bug: a version was deleted between the scheduler's order to go back to it and
// the server's hearing of it. Its partition began with its initial values.
TEST_F(CheckpointerTest, WhatTheSchedulerMayNameIsKeptWhileNewerAreWritten) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.on_nonfinite = PoisonPolicy::kRollBack;
  record->plan.checkpoint_keep = 1;
  record->plan.nonfinite_rollback.versions = 1;
  record_ = record;
  Restart({});
  GrantTerm(5, 0);
  Written();
  for (int i = 0; i < 4; ++i) {  // In no time.
    Push(5, i, i);
    Checkpoint();
    Written();
  }
  EXPECT_THAT(deleted_, IsEmpty());
  ServerActions actions;
  now_ += absl::Minutes(1);
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_FALSE(reports_.empty());
  ASSERT_THAT(reports_.back().partitions, SizeIs(1));
  EXPECT_THAT(reports_.back().partitions[0].stored, SizeIs(2));
}

TEST_F(CheckpointerTest, APartitionDroppedBeforeItsCutIsWrittenAgain) {
  GrantTerm(5, 0);
  Written();
  hold_updates_ = true;
  Push(5, 0, 0);
  GrantTerm(6, 5);  // A version of term 6 is wanted, after the update.
  EXPECT_THAT(writes_, SizeIs(1));
  generation_ = Generation(2);
  GrantTerm(9, 0);  // Initial values again.
  ASSERT_THAT(writes_, SizeIs(2));
  EXPECT_EQ(writes_[1].key.term, Term(9));
}

// Versions of 3,000 bytes where 100 may be written a second.
class CheckpointRateTest : public OnePartitionTest {
 protected:
  CheckpointRateTest() {
    checkpoint_rate_ = 100;
    Restart({});
    version_bytes_ = 3000;
    GrantTerm(5, 0);
    Written();
    Push(5, 0, 0);
  }
  void TickAt(absl::Duration after) {
    now_ = start_ + after;
    ServerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }
  const absl::Time start_ = now_;
};

TEST_F(CheckpointRateTest, VersionsWaitForTheirTurn) {
  TickAt(absl::Seconds(11));  // Due after 10.
  EXPECT_THAT(writes_, SizeIs(1));
  EXPECT_LE(core_->NextTick(), start_ + absl::Seconds(30));
  TickAt(absl::Seconds(30));
  EXPECT_THAT(writes_, SizeIs(2));
}

// Bug: only the log told it, and told it of any that waited for a moment.
TEST_F(CheckpointRateTest, VersionsThatAreLateAreToldAsLongAsTheyAre) {
  TickAt(absl::Seconds(11));
  EXPECT_EQ(Statistics().problem, "");  // It waits, and is not late yet.
  EXPECT_THAT(log_, IsEmpty());
  TickAt(absl::Seconds(21));
  const std::string late =
      "job " + record_->name +
      " changes faster than --checkpoint-rate 100 lets it store: its versions "
      "come less often than each 10s";
  EXPECT_EQ(Statistics().problem, late);
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_EQ(log_[0].text, late);

  TickAt(absl::Seconds(30));
  Written();  // Until 60 nothing may be.
  Push(5, 1, 1);
  TickAt(absl::Seconds(41));
  EXPECT_EQ(Statistics().problem, late);  // It has only just begun to wait.
  TickAt(absl::Seconds(61));
  Written();

  // Nothing changes any more.
  for (int i = 0; i < 5; ++i) TickAt(absl::Seconds(71 + 10 * i));
  EXPECT_EQ(Statistics().problem, "");
  EXPECT_THAT(log_, SizeIs(1));
}

TEST_F(CheckpointRateTest, AFullDiskIsToldBeforeThatVersionsAreLate) {
  TickAt(absl::Seconds(11));
  TickAt(absl::Seconds(21));
  Checkpoint();
  Written(absl::ResourceExhaustedError("disk full"));

  EXPECT_EQ(Statistics().problem, "disk full");
  EXPECT_EQ(Statistics().problem_kind, ServerProblem::kDisk);
}

TEST_F(CheckpointRateTest, WhatAnOperatorAsksForDoesNot) {
  Checkpoint();
  EXPECT_THAT(writes_, SizeIs(2));
}

TEST_F(CheckpointRateTest, NorDoesTheFirstOfATerm) {
  GrantTerm(6, 5);
  EXPECT_THAT(writes_, SizeIs(2));
}

TEST_F(CheckpointRateTest, NorDoTheLastOnes) {
  ServerActions actions;
  core_->Drain(now_, &actions);
  Do(std::move(actions));
  EXPECT_THAT(writes_, SizeIs(2));
}

// The same for an hour, with an update each second.
class LongCheckpointRateTest : public OnePartitionTest {
 protected:
  LongCheckpointRateTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.examples = record->plan.shard_size = 40'000;
    record_ = record;
    checkpoint_rate_ = 100;
    Restart({});
    version_bytes_ = 3000;
  }
  void Tick() {
    now_ += absl::Seconds(1);
    ServerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }
  // What was begun is written.
  void Finish() {
    while (finished_ < writes_.size()) {
      finished_ = writes_.size();
      Written();
    }
  }
  void Grant(PartitionId partition, uint64_t term) {
    ServerActions actions;
    ebb::Grant grant;
    grant.server = kServer;
    grant.session = kSession;
    grant.record = record_;
    grant.generation = generation_;
    grant.partitions = {{partition, Term(term), Term()}};
    core_->OnScheduler(grant, now_, &actions);
    Do(std::move(actions));
    Finish();
  }
  void PushTo(int32_t partition, uint64_t term, int64_t begin) {
    PushRequest push;
    push.job = record_->id;
    push.generation = generation_;
    push.stamp.worker = SessionId(21 + partition);
    push.sequence = begin;
    push.server_session = kSession;
    push.begin = begin;
    push.end = begin + 1;
    push.ledger = ExpectedRow({0, 0}, begin, begin + 1);
    PushSegment& segment = push.segments.emplace_back();
    segment.partition = PartitionId(partition);
    segment.term = Term(term);
    segment.gradient = Payload::Of(std::vector<float>(16, 1.0f));
    ServerActions actions;
    core_->OnPush(1, std::move(push), absl::OkStatus(), now_, &actions);
    Do(std::move(actions));
  }

  size_t finished_ = 0;
};

TEST_F(LongCheckpointRateTest, JobsTakeTurns) {
  auto second = std::make_shared<JobRecord>(*record_);
  second->id = JobId(8);
  const std::vector<JobRecordPtr> jobs = {record_, second};
  for (const JobRecordPtr& job : jobs) {
    record_ = job;
    Grant(kP, 5);
  }
  const size_t before = writes_.size();
  for (int64_t i = 0; i < 3600; ++i) {
    for (const JobRecordPtr& job : jobs) {
      record_ = job;
      Push(5, i, i);
    }
    Tick();
    Finish();
  }
  std::map<JobId, int> versions;
  for (size_t i = before; i < writes_.size(); ++i) {
    ++versions[writes_[i].key.job];
  }
  EXPECT_GE(versions[jobs[0]->id], 50);
  EXPECT_GE(versions[jobs[1]->id], 50);
}

TEST_F(LongCheckpointRateTest, APartitionThatCameLaterTakesNoOthersTurns) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.partitions = 2;
  record->plan.parameters = 32;
  record_ = record;
  Grant(PartitionId(0), 5);
  int64_t pushed = 0;
  for (; pushed < 3600; ++pushed) {
    PushTo(0, 5, pushed);
    Tick();
    Finish();
  }
  Grant(PartitionId(1), 6);
  const size_t before = writes_.size();
  for (int64_t i = 0; i < 3600; ++i, ++pushed) {
    PushTo(0, 5, pushed);
    PushTo(1, 6, i);
    Tick();
    Finish();
  }
  std::map<PartitionId, int> versions;
  for (size_t i = before; i < writes_.size(); ++i) {
    ++versions[writes_[i].key.partition];
  }
  EXPECT_GE(versions[PartitionId(0)], 50);
  EXPECT_GE(versions[PartitionId(1)], 50);
}

// Two partitions that changed, 10 s after they had a version, without a rate.
class RestTest : public LongCheckpointRateTest {
 protected:
  RestTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.partitions = 2;
    record->plan.parameters = 32;
    record_ = record;
    checkpoint_rate_ = 0;
    Restart({});
    for (const int32_t partition : {0, 1}) {
      Grant(PartitionId(partition), 5 + partition);
      PushTo(partition, 5 + partition, 0);
    }
    while (writes_.size() == 2) Tick();
    now_ += absl::Seconds(1);
  }
};

TEST_F(RestTest, AfterAVersionIsARestBeforeTheNext) {
  const absl::Time written = now_;
  Written();
  ASSERT_THAT(writes_, SizeIs(3));
  now_ = core_->NextTick();
  while (writes_.size() == 3 && now_ < written + absl::Minutes(1)) Tick();
  ASSERT_THAT(writes_, SizeIs(4));
  EXPECT_NE(writes_[3].key.partition, writes_[2].key.partition);
  EXPECT_GE(now_, written + absl::Seconds(5));
  EXPECT_LE(now_, written + absl::Seconds(9)) << "the next are due";
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(RestTest, WhoeverAsksGetsItAtOnce) {
  Written();
  ASSERT_THAT(writes_, SizeIs(3));
  Checkpoint();
  EXPECT_THAT(writes_, SizeIs(4));
}

// Bug: a move's copy that was stored meanwhile took the rest for itself.
TEST_F(RestTest, SoThereIsWhereACopyIsStoredMeanwhile) {
  VersionKey copy = writes_.back().key;
  copy.term = Term(99);
  ServerActions actions;
  core_->OnVersionWritten(copy, absl::OkStatus(), 0, now_ - absl::Seconds(1),
                          &actions);
  Do(std::move(actions));
  Written();
  EXPECT_THAT(writes_, SizeIs(3));
}

// Bug: it was one that nobody waits for from then on, and rested like these.
TEST_F(RestTest, WhatWasAskedForAndFailedIsAskedForStill) {
  Written();
  Checkpoint();
  ASSERT_THAT(writes_, SizeIs(4));
  now_ += absl::Seconds(1);
  Written(absl::ResourceExhaustedError("disk full"));
  now_ += absl::Seconds(1);
  Tick();
  ASSERT_THAT(writes_, SizeIs(5));
  EXPECT_EQ(writes_[4].key.partition, writes_[3].key.partition);
}

TEST_F(RestTest, WhoeverAsksWhileItIsWrittenGetsItThoughItFails) {
  now_ += absl::Seconds(1);
  Checkpoint();
  Written(absl::ResourceExhaustedError("disk full"));
  now_ += absl::Seconds(1);
  Tick();
  ASSERT_THAT(writes_, SizeIs(4));  // The other's, which was asked for, too.
  now_ += absl::Seconds(1);
  Written();
  Tick();
  ASSERT_THAT(writes_, SizeIs(5));
  EXPECT_EQ(writes_[4].key.partition, writes_[2].key.partition);
}

TEST_F(LongCheckpointRateTest, WhatWasAskedForLeavesNoDebt) {
  Grant(kP, 5);
  int64_t pushed = 0;
  for (; pushed < 100; ++pushed) {
    Push(5, pushed, pushed);
    Checkpoint();
    Finish();
    Tick();
  }
  const size_t before = writes_.size();
  for (; pushed < 200; ++pushed) {
    Push(5, pushed, pushed);
    Tick();
    Finish();
  }
  EXPECT_GE(writes_.size(), before + 2);
}

// On a disk that takes longer for a version than an interval.
TEST_F(LongCheckpointRateTest, AskingOnceLiftsTheBoundOnce) {
  Grant(kP, 5);
  int64_t pushed = 0;
  const auto versions_in = [&](int seconds) {
    const size_t before = writes_.size();
    for (int i = 0; i < seconds; ++i, ++pushed) {
      Push(5, pushed, pushed);
      Tick();
      if (i % 11 == 0) Finish();
    }
    return writes_.size() - before;
  };
  const size_t usual = versions_in(1200);
  Checkpoint();
  EXPECT_LE(versions_in(1200), usual + 2);
}

}  // namespace
}  // namespace ebb::server
