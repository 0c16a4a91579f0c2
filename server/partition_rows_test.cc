// Partitions of jobs with sparse tables: a push is whole over the dense range
// and all rows, and a cut has both of one instant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optimizer/frozen_rule.h"
#include "optimizer/word_rules.h"
#include "server/additive_rows.h"
#include "server/partition.h"
#include "server/row_arrays.h"
#include "server/testing/adding_rule.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two partitions; an item of 8 examples in batches of 2; two sparse tables, of
// one and of two floats.
JobRecordPtr Record() {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(7);
  JobPlan& plan = record->plan;
  plan.examples = 8;
  plan.shard_size = 8;
  plan.batch_by_epoch = {2};
  plan.parameters = 4;
  plan.block_floats = 2;
  plan.partitions = 2;
  plan.sparse_tables = {{.width = 1}, {.width = 2}};
  return record;
}

class PartitionRowsTest : public testing::Test {
 protected:
  PartitionRowsTest() {
    for (uint64_t key = 0; ours_.size() < 40; ++key) {
      const bool ours = record_->plan.PartitionOfKey(key) == PartitionId(0);
      (ours ? ours_ : theirs_).push_back(key);
    }
    auto made = Partition::Create(record_, PartitionId(0), rule_, pool_);
    EXPECT_TRUE(made.ok()) << made.status();
    partition_ = *std::move(made);
  }

  static PushRows RowsOf(int32_t table, std::vector<uint64_t> keys,
                         std::vector<float> gradient) {
    return {table, Payload::Of(std::move(keys)),
            Payload::Of(std::move(gradient))};
  }
  static PushRequest Push(int64_t begin, std::vector<PushRows> rows) {
    PushRequest push;
    push.item = {0, 0};
    push.begin = begin;
    push.end = begin + 2;
    push.ledger = ExpectedRow(push.item, push.begin, push.end);
    PushSegment& segment = push.segments.emplace_back();
    segment.gradient = Payload::Of(std::vector<float>{1, 1});
    segment.rows = std::move(rows);
    return push;
  }
  absl::Status Apply(const PushRequest& push) {
    const PushSegment& segment = push.segments[0];
    EXPECT_EQ(partition_->Judge(push, segment, 0).verdict, Verdict::kApplied);
    auto update = partition_->Prepare(push, segment);
    if (!update.ok()) return update.status();
    if (at_once_) {
      partition_->Apply(*std::move(update));
      return absl::OkStatus();
    }
    partition_->Compute(update->get());
    partition_->Commit(*std::move(update));
    return absl::OkStatus();
  }
  std::vector<float> Row(const Partition& partition, int32_t table,
                         uint64_t key, int64_t snapshot = 0) {
    RowRoom room(0);
    const auto rows = partition.Rows(
        {{table, Payload::Of(std::vector<uint64_t>{key})}}, snapshot, &room);
    EXPECT_TRUE(rows.ok()) << rows.status();
    if (!rows.ok()) return {};
    std::vector<float> row((*rows)[0].size() / sizeof(float));
    (*rows)[0].CopyTo(std::as_writable_bytes(std::span(row)));
    return row;
  }
  static std::vector<float> Dense(const Partition& partition) {
    std::vector<float> values(2);
    partition.Values().CopyTo(std::as_writable_bytes(std::span(values)));
    return values;
  }
  absl::StatusOr<std::unique_ptr<Partition>> Restored(Cut cut) {
    SealRows(&cut);
    return Partition::FromCut(record_, PartitionId(0), rule_, pool_,
                              std::move(cut), /*stored=*/false);
  }

  const JobRecordPtr record_ = Record();
  const std::shared_ptr<BlockPool> pool_ =
      *BlockPool::Create({.block_bytes = 256, .shared = false});
  const std::shared_ptr<const UpdateRule> rule_ = std::make_shared<AddingRule>(
      record_->plan.sparse_tables, InitRule::Constant(7));
  std::vector<uint64_t> ours_, theirs_;  // Keys, by partition.
  std::unique_ptr<Partition> partition_;
  bool at_once_ = false;  // Computed and committed in one.
};

// The second table is frozen.
class FreezingRule final : public AddingRule {
 public:
  using AddingRule::AddingRule;
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t table) const override {
    if (table == 1) return MakeFrozenRule();
    return AddingRule::RowOptimizer(table);
  }
};

TEST_F(PartitionRowsTest, FrozenRowsStayWhateverIsPushed) {
  for (const bool at_once : {false, true}) {
    at_once_ = at_once;
    auto made = Partition::Create(
        record_, PartitionId(0),
        std::make_shared<FreezingRule>(record_->plan.sparse_tables,
                                       InitRule::Constant(7)),
        pool_);
    ASSERT_TRUE(made.ok()) << made.status();
    partition_ = *std::move(made);
    const uint64_t key = ours_[0];
    // A worker must leave them out. If it does not, nothing comes of it.
    for (const int64_t begin : {0, 2}) {
      ASSERT_TRUE(
          Apply(Push(begin, {RowsOf(0, {key}, {1}), RowsOf(1, {key}, {1, -3})}))
              .ok());
    }
    ASSERT_TRUE(Apply(Push(4, {RowsOf(0, {key}, {1})})).ok());
    EXPECT_THAT(Row(*partition_, 0, key), ElementsAre(10));
    EXPECT_THAT(Row(*partition_, 1, key), ElementsAre(7, 7));
  }
}

TEST_F(PartitionRowsTest, WhatIsAppliedAtOnceIsTheSame) {
  const uint64_t a = ours_[0], b = ours_[1], c = ours_[2];
  for (const bool at_once : {false, true}) {
    at_once_ = at_once;
    auto made = Partition::Create(record_, PartitionId(0), rule_, pool_);
    ASSERT_TRUE(made.ok()) << made.status();
    partition_ = *std::move(made);
    ASSERT_TRUE(
        Apply(Push(0, {RowsOf(0, {a, b}, {1, 2}), RowsOf(1, {b}, {3, 4})}))
            .ok());
    ASSERT_TRUE(partition_->PinSnapshot(1).ok());
    // Of rows that a snapshot holds; in their place; beside a new one.
    ASSERT_TRUE(Apply(Push(2, {RowsOf(0, {a}, {5})})).ok());
    ASSERT_TRUE(Apply(Push(4, {RowsOf(0, {a, b}, {6, 7})})).ok());
    ASSERT_TRUE(Apply(Push(6, {RowsOf(0, {b, c}, {8, 9})})).ok());
    EXPECT_EQ(partition_->marks().mark({0, 0}), 8);
    EXPECT_EQ(partition_->tally().updates(), 4);
    EXPECT_EQ(partition_->tally().ledger().Total().count, 8);
    EXPECT_THAT(Row(*partition_, 0, a), ElementsAre(7 + 1 + 5 + 6));
    EXPECT_THAT(Row(*partition_, 0, b), ElementsAre(7 + 2 + 7 + 8));
    EXPECT_THAT(Row(*partition_, 0, c), ElementsAre(7 + 9));
    EXPECT_THAT(Row(*partition_, 0, a, 1), ElementsAre(7 + 1));
    EXPECT_THAT(Dense(*partition_), ElementsAre(4, 4));
    // What changed is known to the next version.
    auto cut = partition_->TakeCut();
    ASSERT_TRUE(cut.ok()) << cut.status();
    const auto restored = Restored(*std::move(cut));
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_THAT(Row(**restored, 0, b), ElementsAre(7 + 2 + 7 + 8));
  }
}

TEST_F(PartitionRowsTest, APushIsAppliedToAllTables) {
  const uint64_t a = ours_[0], b = ours_[1];
  ASSERT_TRUE(
      Apply(Push(0, {RowsOf(0, {a, b}, {1, 2}), RowsOf(1, {b}, {3, 4})})).ok());
  ASSERT_TRUE(Apply(Push(2, {RowsOf(1, {a}, {5, 6})})).ok());
  // One that touches no row of this partition advances its mark all the same.
  ASSERT_TRUE(Apply(Push(4, {})).ok());
  EXPECT_EQ(partition_->marks().mark({0, 0}), 6);
  EXPECT_THAT(Row(*partition_, 0, a), ElementsAre(8));
  EXPECT_THAT(Row(*partition_, 0, b), ElementsAre(9));
  EXPECT_THAT(Row(*partition_, 1, a), ElementsAre(12, 13));
  EXPECT_THAT(Row(*partition_, 1, b), ElementsAre(10, 11));
  // Nobody pushed to it: it is as it would begin.
  EXPECT_THAT(Row(*partition_, 0, ours_[2]), ElementsAre(7));
  EXPECT_THAT(Dense(*partition_), ElementsAre(3, 3));
}

TEST_F(PartitionRowsTest, WhatIsNoPushToThisPartitionChangesNothing) {
  const uint64_t a = ours_[0], b = ours_[1];
  const auto refused = [&](std::vector<PushRows> rows) {
    const absl::Status status = Apply(Push(0, std::move(rows)));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refused({RowsOf(0, {theirs_[0]}, {1})}),
              HasSubstr("belongs to partition 1"));
  EXPECT_THAT(refused({RowsOf(2, {a}, {1})}), HasSubstr("has 2 such tables"));
  EXPECT_THAT(refused({RowsOf(1, {a}, {1})}),
              HasSubstr("4 bytes of gradients"));
  refused({RowsOf(0, {b, a}, {1, 2})});
  refused({RowsOf(0, {a, a}, {1, 2})});
  refused({RowsOf(1, {a}, {1, 2}), RowsOf(0, {a}, {1})});
  // Of a push that is refused for its second table the first has nothing.
  refused({RowsOf(0, {a}, {1}), RowsOf(1, {b, a}, {1, 2, 3, 4})});
  EXPECT_EQ(partition_->marks().mark({0, 0}), 0);
  EXPECT_THAT(Dense(*partition_), ElementsAre(0, 0));
  EXPECT_THAT(Row(*partition_, 0, a), ElementsAre(7));

  const auto no_question = [&](std::vector<PullRows> rows) {
    RowRoom room(0);
    return partition_->Rows(rows, 0, &room).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(no_question({{2, {}}}));
  EXPECT_TRUE(no_question({{-1, {}}}));
  EXPECT_TRUE(no_question({{0, Payload::Of(std::vector<char>(7))}}));
  EXPECT_TRUE(
      no_question({{0, Payload::Of(std::vector<uint64_t>{theirs_[0]})}}));
  EXPECT_TRUE(no_question({{1, {}}, {0, {}}}));
  EXPECT_TRUE(no_question({{0, Payload::Of(std::vector<uint64_t>{b, a})}}));
  EXPECT_TRUE(no_question({{0, Payload::Of(std::vector<uint64_t>{a, a})}}));
}

TEST_F(PartitionRowsTest, ASkippedBatchTouchesNoRow) {
  PushRequest push = Push(0, {RowsOf(0, {ours_[0]}, {1})});
  push.skip = true;
  ASSERT_TRUE(Apply(push).ok());
  EXPECT_EQ(partition_->marks().mark({0, 0}), 2);
  EXPECT_THAT(Row(*partition_, 0, ours_[0]), ElementsAre(7));
}

TEST_F(PartitionRowsTest, ACutHasRowsAndMarksOfOneInstant) {
  for (const uint64_t key : ours_) {
    if (partition_->marks().mark({0, 0}) == 4) break;
    const int64_t begin = partition_->marks().mark({0, 0});
    ASSERT_TRUE(Apply(Push(begin, {RowsOf(0, {key}, {1})})).ok());
  }
  Cut cut = *partition_->TakeCut();
  ASSERT_TRUE(Apply(Push(4, {RowsOf(0, {ours_[0], ours_[5]}, {1, 1})})).ok());
  const auto restored = Restored(std::move(cut));
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ((*restored)->marks().mark({0, 0}), 4);
  EXPECT_THAT(Dense(**restored), ElementsAre(2, 2));
  EXPECT_THAT(Row(**restored, 0, ours_[0]), ElementsAre(8));
  EXPECT_THAT(Row(**restored, 0, ours_[1]), ElementsAre(8));
  EXPECT_THAT(Row(**restored, 0, ours_[5]), ElementsAre(7));
  EXPECT_THAT(Row(*partition_, 0, ours_[0]), ElementsAre(9));
}

TEST_F(PartitionRowsTest, AVersionThatIsStoredNeedNotBeWrittenAgain) {
  ASSERT_TRUE(
      Apply(Push(0, {RowsOf(0, ours_, std::vector<float>(40, 1))})).ok());
  const auto bytes = [](const Cut& cut) {
    int64_t sum = 0;
    for (const RowCut& rows : cut.row_cuts) sum += rows.NewBytes();
    return sum;
  };
  Cut first = *partition_->TakeCut();
  const int64_t all = bytes(first);
  EXPECT_GT(all, 40 * 16);
  SealRows(&first);
  partition_->CutWritten();
  ASSERT_TRUE(Apply(Push(2, {RowsOf(0, {ours_[3]}, {1})})).ok());
  Cut second = *partition_->TakeCut();
  EXPECT_LT(bytes(second), all / 4);
  // It was not stored: the next has what it had.
  partition_->CutLost();
  EXPECT_EQ(bytes(*partition_->TakeCut()), bytes(second));
  // Nor is the first any more: now all of it is needed.
  partition_->ForgetStored();
  EXPECT_GE(bytes(*partition_->TakeCut()), all);
  // A move gets everything at any time.
  const auto moved = Restored(*partition_->TakeWholeCut());
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_THAT(Row(**moved, 0, ours_[3]), ElementsAre(9));
}

TEST_F(PartitionRowsTest, RefusesACutOfOtherTables) {
  ASSERT_TRUE(Apply(Push(0, {RowsOf(0, {ours_[0]}, {1})})).ok());
  Cut cut = *partition_->TakeWholeCut();
  SealRows(&cut);
  Cut without = cut;
  without.rows.clear();
  EXPECT_EQ(Restored(without).status().code(), absl::StatusCode::kDataLoss);
  Cut torn = cut;
  torn.arrays.erase("rows:0:0");
  EXPECT_EQ(Restored(torn).status().code(), absl::StatusCode::kDataLoss);
  auto other = std::make_shared<JobRecord>(*record_);
  other->plan.sparse_tables.clear();
  EXPECT_EQ(Partition::FromCut(other, PartitionId(0), rule_, pool_, cut)
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(PartitionRowsTest, ASnapshotStaysAsItWas) {
  ASSERT_TRUE(Apply(Push(0, {RowsOf(0, {ours_[0]}, {1})})).ok());
  ASSERT_TRUE(partition_->PinSnapshot(50).ok());
  ASSERT_TRUE(Apply(Push(2, {RowsOf(0, {ours_[0], ours_[1]}, {1, 1})})).ok());
  EXPECT_THAT(Row(*partition_, 0, ours_[0], 50), ElementsAre(8));
  EXPECT_THAT(Row(*partition_, 0, ours_[1], 50), ElementsAre(7));
  EXPECT_THAT(Row(*partition_, 0, ours_[1]), ElementsAre(8));
  partition_->DropSnapshot(50);
  RowRoom room(0);
  EXPECT_EQ(partition_->Rows({{0, {}}}, 50, &room).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(PartitionRowsTest, WithoutMemoryAPushIsRefusedWhole) {
  const auto pool =
      std::shared_ptr<BlockPool>(*BlockPool::Create({.block_bytes = 256,
                                                     .max_bytes = 4 * 256,
                                                     .slab_bytes = 256,
                                                     .shared = false}));
  partition_ = *Partition::Create(record_, PartitionId(0), rule_, pool);
  // Forty rows take more blocks than there are.
  const absl::Status status =
      Apply(Push(0, {RowsOf(0, ours_, std::vector<float>(40, 1))}));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(partition_->marks().mark({0, 0}), 0);
  EXPECT_THAT(Row(*partition_, 0, ours_[0]), ElementsAre(7));
  EXPECT_THAT(Dense(*partition_), ElementsAre(0, 0));
  ASSERT_TRUE(Apply(Push(0, {RowsOf(0, {ours_[0]}, {1})})).ok());
  EXPECT_THAT(Row(*partition_, 0, ours_[0]), ElementsAre(8));
}

// Of each kind that is not trained one: sums of a float, two counts, and at
// most 5 bytes that are written once.
class WrittenKindsTest : public PartitionRowsTest {
 protected:
  WrittenKindsTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.sparse_tables = {{.width = 1, .kind = RowKind::kAdditive},
                                  {.width = 2, .kind = RowKind::kCounts},
                                  {.width = 5, .kind = RowKind::kWriteOnce}};
    kinds_ = std::move(record);
    rules_ = std::make_shared<AddingRule>(kinds_->plan.sparse_tables);
    partition_ = *Partition::Create(kinds_, PartitionId(0), rules_, pool_);
  }
  static PushRows Counts(uint64_t key, std::vector<uint64_t> counts) {
    return {1, Payload::Of(std::vector<uint64_t>{key}),
            Payload::Of(std::move(counts))};
  }
  // `more` is 1 more than its bytes.
  static PushRows Written(uint64_t key, uint32_t more, std::string bytes) {
    std::vector<char> row(12);
    std::memcpy(row.data(), &more, sizeof(more));
    std::ranges::copy(bytes, row.begin() + sizeof(more));
    return {2, Payload::Of(std::vector<uint64_t>{key}),
            Payload::Of(std::move(row))};
  }
  template <typename T>
  std::vector<T> RowAs(const Partition& partition, int32_t table,
                       uint64_t key) {
    const std::vector<float> words = Row(partition, table, key);
    std::vector<T> row(words.size() * sizeof(float) / sizeof(T));
    std::memcpy(row.data(), words.data(), words.size() * sizeof(float));
    return row;
  }
  void ExpectRows(const Partition& partition, uint64_t key) {
    EXPECT_THAT(Row(partition, 0, key), ElementsAre(3));
    EXPECT_THAT(RowAs<uint64_t>(partition, 1, key),
                ElementsAre((uint64_t{1} << 60) + 1, 4));
    EXPECT_THAT(RowAs<char>(partition, 2, key),
                ElementsAre(4, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0));
  }

  JobRecordPtr kinds_;
  std::shared_ptr<const UpdateRule> rules_;
};

TEST_F(WrittenKindsTest, EachKindHasItsRuleAndStaysSoInACut) {
  const uint64_t a = ours_[0];
  ASSERT_TRUE(
      Apply(Push(0, {RowsOf(0, {a}, {1}), Counts(a, {uint64_t{1} << 60, 5}),
                     Written(a, 4, "abc")}))
          .ok());
  ASSERT_TRUE(Apply(Push(2, {RowsOf(0, {a}, {2}), Counts(a, {1, ~uint64_t{0}}),
                             Written(a, 3, "xy")}))
                  .ok());
  ExpectRows(*partition_, a);
  EXPECT_EQ(partition_->rows()->table(2).Statistics().not_admitted, 1);
  // What nobody wrote is all zero.
  EXPECT_THAT(RowAs<uint64_t>(*partition_, 1, ours_[1]), ElementsAre(0, 0));
  Cut cut = *partition_->TakeWholeCut();
  SealRows(&cut);
  const auto restored = Partition::FromCut(kinds_, PartitionId(0), rules_,
                                           pool_, std::move(cut), false);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ExpectRows(**restored, a);
}

TEST_F(WrittenKindsTest, RowsOfAnotherShapeAreRefusedAndChangeNothing) {
  const uint64_t a = ours_[0];
  const auto refused = [&](PushRows rows) {
    const absl::Status status = Apply(Push(0, {std::move(rows)}));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refused(Counts(a, {1})),
              HasSubstr("8 bytes of gradients for 1 rows of 16 bytes"));
  // Longer than the table has, without a length, and with more behind it.
  for (const PushRows& rows :
       {Written(a, 7, "abcde"), Written(a, 0, ""), Written(a, 2, "abc")}) {
    EXPECT_THAT(refused(rows), HasSubstr("written under key"));
  }
  EXPECT_EQ(partition_->marks().mark({0, 0}), 0);
  EXPECT_EQ(partition_->rows()->table(2).Statistics().rows, 0);
  EXPECT_TRUE(Apply(Push(0, {Written(a, 6, "abcde")})).ok());
}

// Rows are results of tasks.
class RuleOfTasks final : public AddingRule {
 public:
  using AddingRule::AddingRule;
  RowTableOptions RowOptions(int32_t table) const override {
    RowTableOptions options = AddingRule::RowOptions(table);
    options.of_tasks = options.write_once;
    return options;
  }
};

TEST_F(WrittenKindsTest, AResultThatIsComputedAgainMustBeTheSame) {
  const auto rule = std::make_shared<RuleOfTasks>(kinds_->plan.sparse_tables);
  partition_ = *Partition::Create(kinds_, PartitionId(0), rule, pool_);
  const uint64_t a = ours_[0];
  const PushRequest first = Push(0, {Written(a, 4, "abc")});
  ASSERT_TRUE(Apply(first).ok());
  const auto again = [&](PushRows rows) {
    const PushRequest push = Push(0, {std::move(rows)});
    EXPECT_EQ(partition_->Judge(push, push.segments[0], 0).verdict,
              Verdict::kDuplicate);
    return partition_->CheckDuplicate(push.segments[0]);
  };
  EXPECT_TRUE(again(Written(a, 4, "abc")).ok());
  for (const PushRows& rows :
       {Written(a, 4, "abd"), Written(a, 3, "ab"), Written(a, 5, "abcd")}) {
    const absl::Status other = again(rows);
    EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(other.message()),
                HasSubstr("task 0 was computed again with another result"));
  }
  // A task that was skipped has no rows to compare.
  EXPECT_TRUE(again(Written(ours_[1], 4, "abc")).ok());
  EXPECT_THAT(RowAs<char>(*partition_, 2, a),
              ElementsAre(4, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0));
}

TEST_F(WrittenKindsTest, OtherRowsMayBeWrittenBySeveralExamples) {
  const uint64_t a = ours_[0];
  ASSERT_TRUE(Apply(Push(0, {Written(a, 4, "abc")})).ok());
  const PushRequest push = Push(0, {Written(a, 3, "xy")});
  EXPECT_TRUE(partition_->CheckDuplicate(push.segments[0]).ok());
}

// Rows of two words that count in the two dense values.
class RuleOfContributions final : public AddingRule {
 public:
  using AddingRule::AddingRule;
  RowTableOptions RowOptions(int32_t table) const override {
    RowTableOptions options = AddingRule::RowOptions(table);
    options.contributes = true;
    return options;
  }
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t) const override {
    return MakeReplaceRule();
  }
};

class ContributionsTest : public PartitionRowsTest {
 protected:
  ContributionsTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.epochs = 2;
    record->plan.sparse_tables = {{.width = 2}};
    counted_ = std::move(record);
    counts_ =
        std::make_shared<RuleOfContributions>(counted_->plan.sparse_tables);
    partition_ = *Partition::Create(counted_, PartitionId(0), counts_, pool_);
  }
  // A push of the batch that begins there.
  static PushRequest Pushed(ItemId item, int64_t begin,
                            std::vector<PushRows> rows) {
    PushRequest push = Push(begin, std::move(rows));
    push.item = item;
    push.ledger = ExpectedRow(item, begin, push.end);
    push.segments[0].gradient = Payload();
    return push;
  }
  absl::Status Refused(PushRequest push) {
    absl::Status status = Apply(push);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return status;
  }

  JobRecordPtr counted_;
  std::shared_ptr<const UpdateRule> counts_;
};

TEST_F(ContributionsTest, CountsAreTheSumOfTheRows) {
  const uint64_t a = ours_[0], b = ours_[1];
  for (const bool at_once : {false, true}) {
    at_once_ = at_once;
    partition_ = *Partition::Create(counted_, PartitionId(0), counts_, pool_);
    ASSERT_TRUE(
        Apply(Pushed({0, 0}, 0, {RowsOf(0, {a, b}, {1, 2, 2, 0})})).ok());
    EXPECT_THAT(Dense(*partition_), ElementsAre(1, 2));
    ASSERT_TRUE(Apply(Pushed({0, 0}, 2, {})).ok());
    EXPECT_THAT(Dense(*partition_), ElementsAre(1, 2));
    // The row gives both of its counts back.
    ASSERT_TRUE(Apply(Pushed({0, 0}, 4, {RowsOf(0, {a}, {1, 1})})).ok());
    EXPECT_THAT(Dense(*partition_), ElementsAre(2, 1));
    EXPECT_THAT(Row(*partition_, 0, a), ElementsAre(1, 1));
    EXPECT_THAT(Row(*partition_, 0, b), ElementsAre(2, 0));
  }
  Cut cut = *partition_->TakeWholeCut();
  SealRows(&cut);
  partition_ = *Partition::FromCut(counted_, PartitionId(0), counts_, pool_,
                                   std::move(cut), false);
  ASSERT_TRUE(Apply(Pushed({0, 0}, 6, {RowsOf(0, {a, b}, {0, 0, 1, 1})})).ok());
  EXPECT_THAT(Dense(*partition_), ElementsAre(2, 0));
}

TEST_F(ContributionsTest, AnEpochBeginsWhenTheOneBeforeIsFull) {
  const uint64_t a = ours_[0];
  const PushRequest next = Pushed({1, 0}, 0, {RowsOf(0, {a}, {2, 0})});
  for (int64_t begin = 0; begin < 8; begin += 2) {
    EXPECT_EQ(partition_->Judge(next, next.segments[0], 0).verdict,
              Verdict::kNotOpen);
    ASSERT_TRUE(Apply(Pushed({0, 0}, begin, {RowsOf(0, {a}, {1, 0})})).ok());
  }
  ASSERT_TRUE(Apply(next).ok());
  EXPECT_THAT(Dense(*partition_), ElementsAre(0, 1));
  const PushRequest late = Pushed({0, 0}, 0, {RowsOf(0, {a}, {1, 0})});
  EXPECT_EQ(partition_->Judge(late, late.segments[0], 0).verdict,
            Verdict::kDuplicate);
}

TEST_F(ContributionsTest, WhatCountsElsewhereIsRefusedAndChangesNothing) {
  const uint64_t a = ours_[0];
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float place : {3.0f, -1.0f, 1.5f, nan}) {
    EXPECT_THAT(
        std::string(
            Refused(Pushed({0, 0}, 0, {RowsOf(0, {a}, {1, place})})).message()),
        HasSubstr("a contribution lies in the partition of its counts"));
  }
  PushRequest both = Pushed({0, 0}, 0, {RowsOf(0, {a}, {1, 2})});
  both.segments[0].gradient = Payload::Of(std::vector<float>{1, 1});
  EXPECT_THAT(std::string(Refused(both).message()),
              HasSubstr("its counts change by rows alone"));
  EXPECT_EQ(partition_->marks().mark({0, 0}), 0);
  EXPECT_THAT(Dense(*partition_), ElementsAre(0, 0));
  EXPECT_THAT(Row(*partition_, 0, a), ElementsAre(0, 0));
}

TEST_F(ContributionsTest, ASkippedBatchLeavesItsRows) {
  const uint64_t a = ours_[0];
  ASSERT_TRUE(Apply(Pushed({0, 0}, 0, {RowsOf(0, {a}, {1, 0})})).ok());
  PushRequest skip = Pushed({0, 0}, 2, {});
  skip.skip = true;
  skip.ledger = {};
  ASSERT_TRUE(Apply(skip).ok());
  EXPECT_THAT(Dense(*partition_), ElementsAre(1, 0));
  EXPECT_THAT(Row(*partition_, 0, a), ElementsAre(1, 0));
}

}  // namespace
}  // namespace ebb::server
