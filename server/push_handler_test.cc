#include "server/push_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "common/filters/codec.h"
#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using PushHandlerTest = OnePartitionTest;

TEST_F(PushHandlerTest, SaysWhatItRefusesAndWhy) {
  memory_ = 128;  // The values, and those of one step.
  GrantTerm(5, 0);
  Push(5, 0, 0);  // The first version holds the values before.
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  Push(5, 1, 1);
  Push(5, 1, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kBusy);
  EXPECT_EQ(Statistics().refused_pushes, 2);
  EXPECT_THAT(statistics_.refusal, HasSubstr("block"));
  EXPECT_EQ(statistics_.problem, "");
  // Each is told once.
  EXPECT_EQ(Statistics().refused_pushes, 0);
  room_ = absl::ResourceExhaustedError("no room");
  Push(5, 0, 3);
  EXPECT_EQ(LastVerdict(), Verdict::kBusy);
  EXPECT_EQ(Statistics().refused_pushes, 1);
  EXPECT_EQ(statistics_.refusal, "no room");
}

// Rows took what --memory leaves for other values, and their index was beside
// it.
TEST_F(PushHandlerTest, RowsThatDoNotFitWaitAndItSaysWhatToDo) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.sparse_tables = {{.width = 1}};
  record_ = record;
  memory_ = 20 * 64;
  Restart({});
  GrantTerm(5, 0);
  Written();
  const auto push_rows = [&](size_t count, int64_t sequence) {
    std::vector<uint64_t> keys(count);
    std::iota(keys.begin(), keys.end(), 0);
    rows_ = {{0, Payload::Of(std::move(keys)),
              Payload::Of(std::vector<float>(count, 1.0f))}};
    Push(5, 0, sequence);
  };
  push_rows(30, 0);  // 8 blocks, 4 to load them, 9 of index.
  EXPECT_EQ(LastVerdict(), Verdict::kBusy);
  EXPECT_EQ(push_replies_.back().segments[0].mark, 0);
  EXPECT_EQ(Statistics().problem_kind, ServerProblem::kMemory);
  EXPECT_THAT(statistics_.problem,
              AllOf(HasSubstr("no room for more rows of table"),
                    HasSubstr("that this server's --memory leaves"),
                    HasSubstr("raise --memory, add servers, or")));
  push_rows(4, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
}

TEST_F(PushHandlerTest, CountsHowMuchUpdatesAreScaled) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  Push(5, 0, 1);  // Again: it is not applied.
  const ScaledUpdates once = Statistics().scaled;
  EXPECT_EQ(once.updates, 1);
  EXPECT_EQ(once.scaled, 0);
  EXPECT_EQ(once.factor_sum, 1);
  EXPECT_EQ(Statistics().scaled.updates, 0);
}

std::vector<float> ValuesOf(const Partition& partition) {
  std::vector<float> values(2);
  partition.Values().CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

TEST_F(PushHandlerTest, AppliesWhatTheEncodingStandsFor) {
  GrantTerm(5, 0);
  int64_t at = 0;
  for (const Encoding encoding : {Encoding::kBfloat16, Encoding::kFloat16,
                                  Encoding::kSparse, Encoding::kFloat32}) {
    encoding_ = encoding;
    gradient_ = Encode(encoding, Payload::Of(std::vector<float>{0.5f, -2}), {});
    Push(5, at, at);
    EXPECT_EQ(LastVerdict(), Verdict::kApplied) << EncodingName(encoding);
    ++at;
  }
  EXPECT_THAT(ValuesOf(*core_->jobs().at(record_->id).partition(kP)),
              ElementsAre(4 * 0.5f, 4 * -2.0f));
}

TEST_F(PushHandlerTest, WhatIsLittleIsDoneWithinItsEvent) {
  GrantTerm(5, 0);
  Written();
  hold_updates_ = true;
  at_once_ = true;
  Push(5, 0, 0);
  EXPECT_THAT(held_updates_, IsEmpty());
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  EXPECT_EQ(push_replies_.back().segments[0].mark, 1);
  // Another waits for one that is handed on; then it is done with that.
  at_once_ = false;
  Push(5, 1, 1);
  at_once_ = true;
  Push(5, 2, 2);
  EXPECT_THAT(held_updates_, SizeIs(1));
  EXPECT_THAT(push_replies_, SizeIs(1));
  FinishUpdates();
  EXPECT_THAT(push_replies_, SizeIs(3));
  // A repeat is one.
  Push(5, 2, 3);
  EXPECT_EQ(LastVerdict(), Verdict::kDuplicate);
  const Partition& partition = *core_->jobs().at(record_->id).partition(kP);
  EXPECT_EQ(partition.marks().mark({0, 0}), 3);
  EXPECT_THAT(ValuesOf(partition), ElementsAre(3, 3));
  EXPECT_EQ(Statistics().updates, 3);
  // A version has it all.
  Checkpoint();
  EXPECT_EQ(writes_.back().cut.updates, 3);
}

TEST_F(PushHandlerTest, BytesThatAreNoSuchEncodingChangeNothing) {
  GrantTerm(5, 0);
  encoding_ = Encoding::kInt8;
  gradient_ = Payload::Of(std::vector<char>(7));  // 6 would be right.
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kInvalid);
  encoding_ = Encoding::kSparse;  // Index 2 of 2 values.
  gradient_ = Payload::Of(std::vector<char>{1, 0, 2, 0, 0, 0, 0, 0});
  Push(5, 0, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kInvalid);
  EXPECT_THAT(Statistics().problem, HasSubstr("index 2"));
  encoding_ = Encoding::kFloat32;
  gradient_ = Payload::Of(std::vector<float>(2, 1.0f));
  Push(5, 0, 2);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  EXPECT_THAT(ValuesOf(*core_->jobs().at(record_->id).partition(kP)),
              ElementsAre(1, 1));
}

TEST_F(PushHandlerTest, CountsTheBytesThatCameAndWhatTheyStandFor) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  encoding_ = Encoding::kFloat16;
  gradient_ = Encode(encoding_, gradient_, {});
  Push(5, 1, 1);
  EXPECT_EQ(Statistics().traffic.pushed, 8 + 4);
  EXPECT_EQ(statistics_.traffic.pushed_as_floats, 8 + 8);
  Push(5, 2, 2);
  EXPECT_EQ(Statistics().traffic.pushed, 4);
}

TEST_F(PushHandlerTest, APushOfAnOldTermIsRefused) {
  GrantTerm(5, 0);
  GrantTerm(6, 5);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  EXPECT_EQ(push_replies_.back().segments[0].term, Term(6));
}

TEST_F(PushHandlerTest, WhatADeadWorkerLeftBehindAGapIsGivenUp) {
  GrantTerm(5, 0);
  Push(5, 0, 1);  // Number 0 was lost with its worker.
  EXPECT_THAT(push_replies_, IsEmpty());
  EXPECT_LE(core_->NextTick(), now_ + absl::Seconds(15));
  now_ += absl::Seconds(15);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(push_replies_, SizeIs(1));
  EXPECT_EQ(LastVerdict(), Verdict::kSuperseded);
}

TEST_F(PushHandlerTest, ReportsLossesByEpochWhenTheyChange) {
  GrantTerm(5, 0);
  Push(5, 0, 0);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].epoch, 0);
  EXPECT_EQ(statistics_.losses[0].examples, 1);
  EXPECT_THAT(Statistics().losses, IsEmpty());
  Push(5, 1, 1);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].examples, 2);
  // A scheduler that was away hears all of it.
  ServerActions actions;
  core_->OnSchedulerDisconnected();
  core_->OnSchedulerConnected(now_, &actions);
  Do(std::move(actions));
  EXPECT_THAT(Statistics().losses, SizeIs(1));
}

TEST_F(PushHandlerTest, ReportsTheLossOfTheLatestPushes) {
  GrantTerm(5, 0);
  loss_ = 2.5;
  Push(5, 0, 0);
  EXPECT_EQ(Statistics().loss_sum, 2.5);
  EXPECT_EQ(statistics_.loss_examples, 1);
  loss_ = 0.5;
  Push(5, 1, 1);
  EXPECT_EQ(Statistics().loss_sum, 3);
  EXPECT_EQ(statistics_.loss_examples, 2);
}

// Bug: an epoch that was done again had the loss of before the rollback for
// ever, and the latest pushes were some of before it.
TEST_F(PushHandlerTest, ReportsLossesAnewInANewGeneration) {
  GrantTerm(5, 0);
  loss_ = 2.5;
  Push(5, 0, 0);
  EXPECT_EQ(Statistics().loss_sum, 2.5);
  generation_ = Generation(2);
  GrantTerm(6, 0);
  loss_ = 0.5;
  Push(6, 0, 1);
  ASSERT_EQ(LastVerdict(), Verdict::kApplied);
  ASSERT_THAT(Statistics().losses, SizeIs(1));
  EXPECT_EQ(statistics_.losses[0].loss_sum, 0.5);
  EXPECT_EQ(statistics_.loss_sum, 0.5);
  EXPECT_EQ(statistics_.loss_examples, 1);
}

}  // namespace
}  // namespace ebb::server
