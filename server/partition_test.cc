#include "server/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "protocol/trained_ranges.h"
#include "server/additive_rows.h"
#include "server/dense_shape.h"
#include "server/dense_values.h"

namespace ebb::server {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// w' = w + g * scale, with one slot that counts the steps.
class AddingRule : public AdditiveRows {
 public:
  using AdditiveRows::AdditiveRows;

  int SlotCount() const override { return 1; }
  void InitialWeights(int64_t first, std::span<float> out) const override {
    for (float& w : out) w = static_cast<float>(first++);
  }
  void InitialSlot(int slot, int64_t first, std::span<const float> weights,
                   std::span<float> out) const override {
    std::ranges::fill(out, 0.0f);
  }
  void Step(const StepPlace& place, const StepRun& run) const override {
    size_t at = 0;
    while (at < run.weights.size()) {
      const GradientView part = run.gradient->Next(run.weights.size() - at);
      for (size_t i = 0; i < part.size(); ++i, ++at) {
        float g;
        std::memcpy(&g, part.bytes() + i * 4, 4);
        run.out[at] = run.weights[at] + g * place.gradient_scale;
        run.slots[0][at] += 1;
      }
    }
  }
};

// w' = w + 100 + the step's staleness.
class StalenessRule : public AddingRule {
 public:
  void Step(const StepPlace& place, const StepRun& run) const override {
    for (size_t i = 0; i < run.weights.size(); ++i) {
      run.out[i] = run.weights[i] + 100 + static_cast<float>(place.staleness);
    }
  }
  double RateFactor(const StepPlace& place) const override {
    return 1.0 / (1.0 + static_cast<double>(place.staleness));
  }
};

// One epoch of two shards of 4 examples, batches of 2; 6 parameters in blocks
// of 16 floats; 2 oracle sums.
JobRecordPtr Record(ConsistencyPlan consistency = {}) {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(7);
  JobPlan& plan = record->plan;
  plan.examples = 8;
  plan.shard_size = 4;
  plan.batch_by_epoch = {2};
  plan.parameters = 6;
  plan.block_floats = 16;
  plan.oracle_width = 2;
  plan.consistency = consistency;
  return record;
}

class PartitionTest : public testing::Test {
 protected:
  std::unique_ptr<Partition> Make(
      JobRecordPtr record,
      std::shared_ptr<const UpdateRule> rule = std::make_shared<AddingRule>()) {
    pool_ = *BlockPool::Create({.block_bytes = 64, .shared = false});
    auto partition =
        Partition::Create(record, PartitionId(0), std::move(rule), pool_);
    EXPECT_TRUE(partition.ok()) << partition.status();
    return *std::move(partition);
  }

  // A push of examples [begin, end) of item (0, shard): gradient `g` in each
  // element, oracle sums of 10.
  static PushRequest Push(int32_t shard, int64_t begin, int64_t end, float g) {
    PushRequest push;
    push.item = {0, shard};
    push.begin = begin;
    push.end = end;
    push.ledger = ExpectedRow(push.item, begin, end);
    PushSegment& segment = push.segments.emplace_back();
    segment.gradient = Payload::Of(std::vector<float>(6, g));
    segment.oracle = Payload::Of(std::vector<uint64_t>(2, 10));
    return push;
  }

  static Verdict Apply(Partition* p, const PushRequest& push,
                       int64_t closed_rounds = 0) {
    const Judgement judgement = p->Judge(push, push.segments[0], closed_rounds);
    if (judgement.verdict != Verdict::kApplied) return judgement.verdict;
    auto update = p->Prepare(push, push.segments[0]);
    EXPECT_TRUE(update.ok()) << update.status();
    p->Compute(update->get());
    p->Commit(*std::move(update));
    return Verdict::kApplied;
  }

  static std::vector<float> Floats(const Payload& payload) {
    std::vector<float> floats(payload.size() / 4);
    payload.CopyTo(std::as_writable_bytes(std::span(floats)));
    return floats;
  }

  std::shared_ptr<BlockPool> pool_;
};

// 6 parameters and as many slots.
TEST_F(PartitionTest, SlotsAreWorkToo) {
  auto partition = Make(Record());
  PushRequest push = Push(0, 0, 2, 1);
  auto update = partition->Prepare(push, push.segments[0]);
  ASSERT_TRUE(update.ok()) << update.status();
  push.segments[0].gradient = {};
  auto nothing = partition->Prepare(push, push.segments[0]);
  ASSERT_TRUE(nothing.ok()) << nothing.status();

  EXPECT_EQ(partition->ComputeBytes(**update), 2 * 6 * 4);
  EXPECT_EQ(partition->ComputeBytes(**nothing), 0);
}

TEST_F(PartitionTest, JudgesByTheMark) {
  auto p = Make(Record());
  EXPECT_EQ(Apply(p.get(), Push(0, 2, 4, 1)), Verdict::kGap);
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 2, 1)), Verdict::kApplied);
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 2, 1)), Verdict::kDuplicate);
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 4, 1)), Verdict::kOverlap);
  EXPECT_EQ(Apply(p.get(), Push(0, 2, 4, 1)), Verdict::kApplied);
  EXPECT_EQ(p->marks().mark({0, 0}), 4);
  EXPECT_EQ(p->tally().updates(), 2);
}

TEST_F(PartitionTest, RefusesARangeOffTheGridOrOfAnotherLayout) {
  auto p = Make(Record());
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 3, 1)), Verdict::kInvalid);
  EXPECT_EQ(Apply(p.get(), Push(2, 0, 2, 1)), Verdict::kInvalid);
  PushRequest other = Push(0, 0, 2, 1);
  other.layout_hash = 1;
  EXPECT_EQ(Apply(p.get(), other), Verdict::kInvalid);
}

TEST_F(PartitionTest, AppliesAllTablesOfAPushTogether) {
  auto p = Make(Record());
  ASSERT_EQ(Apply(p.get(), Push(1, 0, 2, 4)), Verdict::kApplied);
  // Initial value i, plus 4 / batch of 2.
  EXPECT_THAT(Floats(p->Values()), ElementsAre(2, 3, 4, 5, 6, 7));
  EXPECT_THAT(p->tally().oracle(), Each(10));
  EXPECT_EQ(p->tally().ledger().Total().count, 2);
}

TEST_F(PartitionTest, APushOfSeveralBatchesWeighsAsMuchAsTheirsTogether) {
  auto together = Make(Record());
  ASSERT_EQ(Apply(together.get(), Push(0, 0, 4, 6)), Verdict::kApplied);
  EXPECT_THAT(Floats(together->Values()), ElementsAre(3, 4, 5, 6, 7, 8));
  EXPECT_EQ(together->marks().mark({0, 0}), 4);
  EXPECT_EQ(together->tally().ledger().Total(), ExpectedRow({0, 0}, 0, 4));
  EXPECT_EQ(together->tally().updates(), 1);
  // Part of it came before: all of it is refused, and the rest fits.
  auto apart = Make(Record());
  ASSERT_EQ(Apply(apart.get(), Push(0, 0, 2, 2)), Verdict::kApplied);
  EXPECT_EQ(Apply(apart.get(), Push(0, 0, 4, 6)), Verdict::kOverlap);
  ASSERT_EQ(Apply(apart.get(), Push(0, 2, 4, 4)), Verdict::kApplied);
  EXPECT_EQ(Floats(apart->Values()), Floats(together->Values()));
}

// A whole run is an item of 4 examples.
TEST_F(PartitionTest, ARunIsDividedByTheExamplesOfAWholeOne) {
  JobRecord record = *Record();
  record.plan.algorithm = {
      .push_batches = 2, .pull_batches = 2, .worker_vectors = 3, .runs = true};
  auto p = Make(std::make_shared<JobRecord>(record));
  ASSERT_EQ(Apply(p.get(), Push(0, 0, 4, 8)), Verdict::kApplied);
  EXPECT_EQ(Floats(p->Values())[0], 2);
  EXPECT_EQ(p->tally().updates(), 1);
  EXPECT_EQ(p->tally().ledger().Total(), ExpectedRow({0, 0}, 0, 4));
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 4, 8)), Verdict::kDuplicate);
  // A worker was told to leave after a batch.
  ASSERT_EQ(Apply(p.get(), Push(1, 0, 2, 4)), Verdict::kApplied);
  EXPECT_EQ(Floats(p->Values())[0], 3);
}

TEST_F(PartitionTest, APayloadCutInTheMiddleOfAFloatIsAppliedRight) {
  auto p = Make(Record());
  PushRequest push = Push(0, 0, 2, 2);
  const Payload whole = push.segments[0].gradient;
  Payload cut;
  for (const auto& [at, n] : {std::pair{0, 5}, {5, 2}, {7, 17}}) {
    const Payload part = whole.Sub(at, n);
    for (const Payload::Slice& s : part.slices()) cut.Append(s.owner, s.bytes);
  }
  push.segments[0].gradient = cut;
  ASSERT_EQ(Apply(p.get(), push), Verdict::kApplied);
  EXPECT_THAT(Floats(p->Values()), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(PartitionTest, RefusesAContributionOfTheWrongShapeAndChangesNothing) {
  auto p = Make(Record());
  PushRequest push = Push(0, 0, 2, 1);
  push.segments[0].gradient = Payload::Of(std::vector<float>(5, 1.0f));
  EXPECT_EQ(p->Prepare(push, push.segments[0]).status().code(),
            absl::StatusCode::kInvalidArgument);
  push = Push(0, 0, 2, 1);
  push.segments[0].oracle = Payload();
  EXPECT_EQ(p->Prepare(push, push.segments[0]).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(p->marks().mark({0, 0}), 0);
  EXPECT_THAT(Floats(p->Values()), ElementsAre(0, 1, 2, 3, 4, 5));
}

// Bug: one push of a program that does not look at its loss, and the epoch had
// none any more.
TEST_F(PartitionTest, RefusesALossThatIsNotFinite) {
  auto p = Make(Record());
  PushRequest push = Push(0, 0, 2, 1);
  for (const double loss : {std::numeric_limits<double>::quiet_NaN(),
                            -std::numeric_limits<double>::infinity()}) {
    push.loss_sum = loss;
    EXPECT_TRUE(
        absl::IsInvalidArgument(p->Prepare(push, push.segments[0]).status()));
  }
  push.skip = true;  // It counts for nothing.
  EXPECT_EQ(Apply(p.get(), push), Verdict::kApplied);
}

TEST_F(PartitionTest, AnEmptyContributionStillAdvancesTheMark) {
  auto p = Make(Record());
  PushRequest push = Push(0, 0, 2, 1);
  push.segments[0].gradient = Payload();
  EXPECT_EQ(Apply(p.get(), push), Verdict::kApplied);
  EXPECT_EQ(p->marks().mark({0, 0}), 2);
  EXPECT_THAT(Floats(p->Values()), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(PartitionTest, RefusesWhatIsTooStale) {
  auto p = Make(Record({.max_staleness_updates = 0}));
  ASSERT_EQ(Apply(p.get(), Push(0, 0, 2, 1)), Verdict::kApplied);
  PushRequest push = Push(1, 0, 2, 1);
  push.segments[0].pulled_updates = 0;
  EXPECT_EQ(Apply(p.get(), push), Verdict::kStale);
  push.segments[0].pulled_updates = 1;
  EXPECT_EQ(Apply(p.get(), push), Verdict::kApplied);
}

TEST_F(PartitionTest, APulledValueStaysAsItWasWhileUpdatesGoOn) {
  auto p = Make(Record());
  const Payload before = p->Values();
  ASSERT_EQ(Apply(p.get(), Push(0, 0, 2, 2)), Verdict::kApplied);
  EXPECT_THAT(Floats(before), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Floats(p->Values()), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(PartitionTest, HoldsTheNewestSnapshotAlone) {
  auto p = Make(Record());
  ASSERT_TRUE(p->PinSnapshot(1).ok());
  ASSERT_EQ(Apply(p.get(), Push(1, 0, 2, 4)), Verdict::kApplied);
  ASSERT_TRUE(p->PinSnapshot(2).ok());
  EXPECT_FALSE(p->SnapshotValues(1).has_value());
  EXPECT_THAT(Floats(*p->SnapshotValues(2)), ElementsAre(2, 3, 4, 5, 6, 7));
}

TEST_F(PartitionTest, ACutStaysAsItWasAndRestoresEverything) {
  const JobRecordPtr record = Record();
  auto p = Make(record);
  ASSERT_EQ(Apply(p.get(), Push(0, 0, 2, 2)), Verdict::kApplied);
  const Cut cut = *p->TakeCut();
  ASSERT_EQ(Apply(p.get(), Push(0, 2, 4, 2)), Verdict::kApplied);
  auto restored = Partition::FromCut(
      record, PartitionId(0), std::make_shared<AddingRule>(), pool_, cut);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ((*restored)->marks().mark({0, 0}), 2);
  EXPECT_THAT(Floats((*restored)->Values()), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ((*restored)->tally().ledger().Total().count, 2);
  EXPECT_EQ((*restored)->tally().updates(), 1);
  EXPECT_THAT((*restored)->tally().oracle(), Each(10));
  EXPECT_EQ(cut.arrays.at("slot:0").blocks[0].floats()[0], 1);  // Not 2.
}

// Leaves elements [1, 32) as they are.
class FreezingRule : public AddingRule {
 public:
  explicit FreezingRule(const JobPlan& plan)
      : trained_(plan, {{0, 1}, {32, 48}}) {}
  const TrainedRanges* trained() const override { return &trained_; }

 private:
  const TrainedRanges trained_;
};

// 48 elements in three blocks, of which the second has frozen ones only. What
// is pushed takes two blocks.
class FrozenPartitionTest : public PartitionTest {
 protected:
  FrozenPartitionTest() {
    auto record = std::make_shared<JobRecord>(*Record());
    record->plan.parameters = 48;
    record_ = record;
    rule_ = std::make_shared<FreezingRule>(record->plan);
    pool_ = *BlockPool::Create({.block_bytes = 64, .shared = false});
  }
  std::unique_ptr<Partition> MakeFrozen(
      std::optional<InitialPartition> initial = std::nullopt) {
    auto partition = Partition::Create(record_, PartitionId(0), rule_, pool_,
                                       std::move(initial));
    EXPECT_TRUE(partition.ok()) << partition.status();
    return *std::move(partition);
  }
  static PushRequest PushOf(size_t floats, int64_t begin, int64_t end,
                            float g) {
    PushRequest push = Push(0, begin, end, g);
    push.segments[0].gradient = Payload::Of(std::vector<float>(floats, g));
    return push;
  }
  // The initial values, plus `more` where they are trained.
  static std::vector<float> Values(float more) {
    std::vector<float> values(48);
    std::iota(values.begin(), values.end(), 0.0f);
    values[0] += more;
    for (size_t i = 32; i < 48; ++i) values[i] += more;
    return values;
  }

  JobRecordPtr record_;
  std::shared_ptr<const UpdateRule> rule_;
};

TEST_F(FrozenPartitionTest, StepsWhatIsTrainedAndNothingElse) {
  auto p = MakeFrozen();
  ASSERT_EQ(Apply(p.get(), PushOf(17, 0, 2, 4)), Verdict::kApplied);
  EXPECT_EQ(Floats(p->Values()), Values(2));  // 4 / batch of 2.
  EXPECT_EQ(p->marks().mark({0, 0}), 2);
  EXPECT_EQ(p->tally().ledger().Total().count, 2);
}

TEST_F(FrozenPartitionTest, RefusesAGradientOfFrozenValues) {
  auto p = MakeFrozen();
  const PushRequest push = PushOf(48, 0, 2, 1);
  EXPECT_TRUE(
      absl::IsInvalidArgument(p->Prepare(push, push.segments[0]).status()));
}

TEST_F(FrozenPartitionTest, KeepsSlotsOfWhatIsTrained) {
  auto p = MakeFrozen();
  ASSERT_EQ(Apply(p.get(), PushOf(17, 0, 2, 4)), Verdict::kApplied);
  const Cut cut = *p->TakeCut();
  EXPECT_EQ(cut.arrays.at("slot:0").floats, 17);
  EXPECT_EQ(cut.arrays.at("weights").floats, 48);
  auto restored =
      Partition::FromCut(record_, PartitionId(0), rule_, pool_, cut);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ASSERT_EQ(Apply(restored->get(), PushOf(17, 2, 4, 2)), Verdict::kApplied);
  EXPECT_EQ(Floats((*restored)->Values()), Values(3));
}

TEST_F(FrozenPartitionTest, AStepSharesBlocksThatAreFrozen) {
  auto p = MakeFrozen();
  const Cut before = *p->TakeCut();
  ASSERT_EQ(Apply(p.get(), PushOf(17, 0, 2, 4)), Verdict::kApplied);
  const Cut after = *p->TakeCut();
  const CutArray& was = before.arrays.at("weights");
  const CutArray& is = after.arrays.at("weights");
  EXPECT_NE(is.content_id(0), was.content_id(0));
  EXPECT_EQ(is.content_id(1), was.content_id(1));
  EXPECT_NE(is.content_id(2), was.content_id(2));
}

TEST_F(FrozenPartitionTest, TakesTheTrainedPartOfTheSlotsOfAFile) {
  const DenseShape shape(record_->plan, PartitionId(0), pool_);
  InitialDense initial;
  initial.weights = *shape.Zeros();
  initial.slots.push_back(*shape.Allocate());
  for (int64_t b = 0; b < 3; ++b) {
    const auto slot = shape.Mutable(&initial.slots[0], b);
    std::iota(slot.begin(), slot.end(), static_cast<float>(16 * b));
  }
  auto p = MakeFrozen(InitialPartition{std::move(initial), {}});
  const Cut cut = *p->TakeCut();
  const CutArray& slot = cut.arrays.at("slot:0");
  EXPECT_EQ(slot.UsedFloats(0)[0], 0);
  EXPECT_EQ(slot.UsedFloats(0)[1], 32);
  EXPECT_EQ(slot.UsedFloats(0)[15], 46);
  EXPECT_THAT(slot.UsedFloats(1), ElementsAre(47));
}

TEST_F(PartitionTest, RefusesACutOfAnotherShape) {
  const JobRecordPtr record = Record();
  auto p = Make(record);
  Cut cut = *p->TakeCut();
  cut.arrays["weights"].floats = 5;
  EXPECT_EQ(Partition::FromCut(record, PartitionId(0),
                               std::make_shared<AddingRule>(), pool_, cut)
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
  cut = *p->TakeCut();
  cut.arrays.erase("slot:0");
  EXPECT_FALSE(Partition::FromCut(record, PartitionId(0),
                                  std::make_shared<AddingRule>(), pool_, cut)
                   .ok());
}

TEST_F(PartitionTest, BeginsWithTheSlotsOfAFile) {
  const JobRecordPtr record = Record();
  pool_ = *BlockPool::Create({.block_bytes = 64, .shared = false});
  const DenseShape shape(record->plan, PartitionId(0), pool_);
  InitialDense initial;
  initial.weights = *shape.Zeros();
  initial.slots.push_back(*shape.Allocate());
  std::ranges::fill(shape.Mutable(&initial.slots[0], 0), 5.0f);
  const auto rule = std::make_shared<AddingRule>();
  auto p = Partition::Create(record, PartitionId(0), rule, pool_,
                             InitialPartition{initial, {}});
  ASSERT_TRUE(p.ok()) << p.status();
  const Cut cut = *(*p)->TakeCut();
  EXPECT_EQ(shape.Floats(cut.arrays.at("slot:0").blocks, 0)[3], 5.0f);
  initial.slots.push_back(*shape.Zeros());
  EXPECT_TRUE(absl::IsInvalidArgument(
      Partition::Create(record, PartitionId(0), rule, pool_,
                        InitialPartition{std::move(initial), {}})
          .status()));
}

TEST_F(PartitionTest, WithoutMemoryAPushIsRefusedWhole) {
  const JobRecordPtr record = Record();
  pool_ = *BlockPool::Create(
      {.block_bytes = 64, .max_bytes = 128, .slab_bytes = 64, .shared = false});
  auto p = *Partition::Create(record, PartitionId(0),
                              std::make_shared<AddingRule>(), pool_);
  const PushRequest push = Push(0, 0, 2, 1);
  EXPECT_EQ(p->Prepare(push, push.segments[0]).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(p->marks().mark({0, 0}), 0);
}

TEST_F(PartitionTest, TellsTheRuleHowManyUpdatesThePulledValuesLack) {
  auto p = Make(Record(), std::make_shared<StalenessRule>());
  PushRequest push = Push(0, 0, 2, 1);
  Apply(p.get(), push);  // Of the initial values.
  EXPECT_EQ(Floats(p->Values())[0], 100);
  push = Push(1, 0, 2, 1);
  Apply(p.get(), push);  // Of them, too: one update came before it.
  EXPECT_EQ(Floats(p->Values())[0], 201);
  push = Push(1, 2, 4, 1);
  push.segments[0].pulled_updates = 2;
  Apply(p.get(), push);
  EXPECT_EQ(Floats(p->Values())[0], 301);
  // The values that it had pulled are lost: the partition lost 9, and took 3.
  push = Push(0, 2, 4, 1);
  push.segments[0].pulled_updates = 9;
  Apply(p.get(), push);
  EXPECT_EQ(Floats(p->Values())[0], 413);
}

// Bug: gradients of values that a partition had lost counted as in time.
TEST_F(PartitionTest, CountsTheUpdatesThatItLostAndThoseThatCameSince) {
  const JobRecordPtr record = Record({.max_staleness_updates = 4});
  auto before = Make(record);
  ASSERT_EQ(Apply(before.get(), Push(0, 0, 2, 1)), Verdict::kApplied);
  auto p = *Partition::FromCut(record, PartitionId(0),
                               std::make_shared<AddingRule>(), pool_,
                               *before->TakeCut());
  EXPECT_EQ(p->StalenessOf(0), 1);
  EXPECT_EQ(p->StalenessOf(1), 0);
  EXPECT_EQ(p->StalenessOf(4), 3);
  PushRequest push = Push(1, 0, 2, 1);
  push.segments[0].pulled_updates = 1;
  ASSERT_EQ(Apply(p.get(), push), Verdict::kApplied);
  EXPECT_EQ(p->StalenessOf(4), 4);
  EXPECT_GT(p->StalenessOf(std::numeric_limits<int64_t>::max()), 1 << 30);

  push = Push(1, 2, 4, 1);
  push.segments[0].pulled_updates = 5;
  EXPECT_EQ(Apply(p.get(), push), Verdict::kStale);
  push.segments[0].pulled_updates = 4;
  EXPECT_EQ(Apply(p.get(), push), Verdict::kApplied);
}

// Two updates prepared before either is applied: the place is that of the step.
TEST_F(PartitionTest, CountsUpdatesUntilTheStep) {
  auto p = Make(Record(), std::make_shared<StalenessRule>());
  const PushRequest first = Push(0, 0, 2, 1), second = Push(1, 0, 2, 1);
  auto one = p->Prepare(first, first.segments[0]);
  auto two = p->Prepare(second, second.segments[0]);
  ASSERT_TRUE(one.ok() && two.ok());
  p->Compute(one->get());
  p->Commit(*std::move(one));
  p->Compute(two->get());
  p->Commit(*std::move(two));
  EXPECT_EQ(Floats(p->Values())[0], 201);
}

TEST_F(PartitionTest, SaysHowMuchALateUpdateIsScaled) {
  auto p = Make(Record(), std::make_shared<StalenessRule>());
  ScaledUpdates sums;
  const auto apply = [&](int32_t item, int64_t begin, int64_t pulled) {
    PushRequest push = Push(item, begin, begin + 2, 1);
    push.segments[0].pulled_updates = pulled;
    ASSERT_EQ(Apply(p.get(), push), Verdict::kApplied);
    sums += p->last_scaling();
  };
  apply(0, 0, 0);
  apply(1, 0, 9);  // It came back with less than was pulled: 10 late.
  apply(0, 2, 1);
  apply(1, 2, 1);
  EXPECT_EQ(sums.updates, 4);
  EXPECT_EQ(sums.scaled, 3);  // Also one update late, and two.
  EXPECT_EQ(sums.to_nothing, 0);
  EXPECT_DOUBLE_EQ(sums.factor_sum, 1 + 1.0 / 11 + 1.0 / 2 + 1.0 / 3);
  EXPECT_DOUBLE_EQ(sums.scaled_staleness, 10.0 / 11 + 1.0 / 2 + 2.0 / 3);
}

TEST_F(PartitionTest, CountsAnUpdateThatIsScaledToLessThanAHundredth) {
  auto p = Make(Record(), std::make_shared<StalenessRule>());
  const auto apply = [&](int64_t begin, int64_t pulled) {
    PushRequest push = Push(0, begin, begin + 2, 1);
    push.segments[0].pulled_updates = pulled;
    EXPECT_EQ(Apply(p.get(), push), Verdict::kApplied);
    return p->last_scaling().to_nothing;
  };
  EXPECT_EQ(apply(0, 99), 0);   // By 1 / 100.
  EXPECT_EQ(apply(2, 100), 1);  // 101 late.
}

TEST_F(PartitionTest, AnUpdateThatIsSkippedIsNotScaled) {
  auto p = Make(Record(), std::make_shared<StalenessRule>());
  const auto apply = [&](int32_t item, int64_t begin, bool skip) {
    PushRequest push = Push(item, begin, begin + 2, 1);
    push.segments[0].pulled_updates = 0;
    push.skip = skip;
    EXPECT_EQ(Apply(p.get(), push), Verdict::kApplied);
    return p->last_scaling();
  };
  EXPECT_EQ(apply(0, 0, false).updates, 1);
  const ScaledUpdates skipped = apply(1, 0, true);
  EXPECT_EQ(skipped.updates, 0);
  EXPECT_EQ(skipped.scaled, 0);
  EXPECT_EQ(skipped.factor_sum, 0);
  // The next is late by both.
  const ScaledUpdates rest = apply(0, 2, false);
  EXPECT_EQ(rest.updates, 1);
  EXPECT_EQ(rest.scaled, 1);
  EXPECT_DOUBLE_EQ(rest.factor_sum, 1.0 / 3);
  EXPECT_DOUBLE_EQ(rest.scaled_staleness, 2.0 / 3);
  EXPECT_EQ(Floats(p->Values())[0], 100 + 102);
}

class RoundTest : public PartitionTest {
 protected:
  // One round is both items: all 8 examples.
  JobRecordPtr record_ =
      Record({.kind = ConsistencyKind::kRounds, .round_items = 2});
};

TEST_F(RoundTest, StepsOnceOnTheMeanWhenTheLastExampleArrives) {
  auto p = Make(record_);
  ASSERT_EQ(Apply(p.get(), Push(1, 0, 2, 8)), Verdict::kApplied);
  ASSERT_EQ(Apply(p.get(), Push(1, 2, 4, 8)), Verdict::kApplied);
  ASSERT_EQ(Apply(p.get(), Push(0, 0, 2, 8)), Verdict::kApplied);
  EXPECT_THAT(Floats(p->Values()), ElementsAre(0, 1, 2, 3, 4, 5));
  ASSERT_EQ(Apply(p.get(), Push(0, 2, 4, 8)), Verdict::kApplied);
  EXPECT_EQ(p->rounds().open(), 1);
  // Four sums of 8 over 8 examples.
  EXPECT_THAT(Floats(p->Values()), ElementsAre(4, 5, 6, 7, 8, 9));
  EXPECT_THAT(Floats(*p->RoundValues(0)), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(RoundTest, AShortRoundOfRunsIsDividedByTheFirst) {
  JobRecord record = *record_;
  record.plan.examples = 12;
  record.plan.algorithm = {
      .push_batches = 0, .pull_batches = 0, .worker_vectors = 3, .runs = true};
  auto p = Make(std::make_shared<JobRecord>(record));
  ASSERT_EQ(Apply(p.get(), Push(0, 0, 4, 8)), Verdict::kApplied);
  ASSERT_EQ(Apply(p.get(), Push(1, 0, 4, 8)), Verdict::kApplied);
  EXPECT_EQ(Floats(p->Values())[0], 2);
  ASSERT_EQ(Apply(p.get(), Push(2, 0, 4, 8)), Verdict::kApplied);
  EXPECT_EQ(p->rounds().open(), 2);
  EXPECT_EQ(Floats(p->Values())[0], 3);
}

TEST_F(RoundTest, IsTheSameToTheBitInAnyOrderOfArrival) {
  const float tenth = 0.1f, big = 1e7f;
  auto a = Make(record_);
  for (const auto& [shard, g] : {std::pair{0, tenth}, {1, big}}) {
    Apply(a.get(), Push(shard, 0, 2, g));
    Apply(a.get(), Push(shard, 2, 4, -g * 0.3f));
  }
  auto b = Make(record_);
  Apply(b.get(), Push(1, 0, 2, big));
  Apply(b.get(), Push(0, 0, 2, tenth));
  Apply(b.get(), Push(1, 2, 4, -big * 0.3f));
  Apply(b.get(), Push(0, 2, 4, -tenth * 0.3f));
  EXPECT_EQ(Floats(a->Values()), Floats(b->Values()));
}

TEST_F(RoundTest, ACutInTheMiddleOfARoundGoesOnExactly) {
  auto p = Make(record_);
  Apply(p.get(), Push(1, 0, 2, 8));
  Apply(p.get(), Push(0, 0, 2, 8));
  Apply(p.get(), Push(0, 2, 4, 8));
  auto restored =
      *Partition::FromCut(record_, PartitionId(0),
                          std::make_shared<AddingRule>(), pool_, *p->TakeCut());
  ASSERT_EQ(Apply(restored.get(), Push(1, 2, 4, 8)), Verdict::kApplied);
  EXPECT_THAT(Floats(restored->Values()), ElementsAre(4, 5, 6, 7, 8, 9));
}

TEST_F(RoundTest, RefusesRoundsThatAreNotOpenOrClosedEverywhere) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.consistency.round_items = 1;
  auto p = Make(record);
  EXPECT_EQ(Apply(p.get(), Push(1, 0, 2, 1)), Verdict::kNotOpen);
  Apply(p.get(), Push(0, 0, 2, 1));
  Apply(p.get(), Push(0, 2, 4, 1));
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 2, 1), 0), Verdict::kDuplicate);
  EXPECT_EQ(Apply(p.get(), Push(0, 0, 2, 1), 1), Verdict::kClosed);
}

// An operation is a number n: w' = w + the mean + n, and n to the slot.
class OperatedRule : public AddingRule {
 public:
  size_t FigureCount() const override { return 2; }
  void Measure(const StepPlace& place, const MeasureRun& run,
               std::span<double> figures) const override {
    for (const float g : run.gradient_sum) figures[1] += g;
  }
  absl::StatusOr<std::unique_ptr<const RoundStep>> ReadOperation(
      absl::string_view operation) const override {
    class Add : public RoundStep {
     public:
      explicit Add(float n) : n_(n) {}
      bool Changes(int) const override { return true; }
      void Apply(float scale, const OperationRun& run) const override {
        for (size_t i = 0; i < run.out.size(); ++i) {
          run.out[i] = run.weights[i] + run.gradient_sum[i] * scale + n_;
          run.changed[0][i] += n_;
        }
      }

     private:
      const float n_;
    };
    int n = 0;
    if (!absl::SimpleAtoi(operation, &n)) {
      return absl::InvalidArgumentError("no number");
    }
    return std::make_unique<Add>(static_cast<float>(n));
  }
};

class OperatedRoundTest : public RoundTest {
 protected:
  OperatedRoundTest() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.algorithm.operated = true;
    record_ = record;
    partition_ = Make(record_, std::make_shared<OperatedRule>());
  }

  static PushRequest Push(int32_t shard, int64_t begin, int64_t end, float g,
                          double loss) {
    PushRequest push = PartitionTest::Push(shard, begin, end, g);
    push.loss_sum = loss;
    return push;
  }
  // Goes as far as it can without an operation.
  static std::unique_ptr<Partition::Update> Begin(Partition* p,
                                                  const PushRequest& push) {
    EXPECT_EQ(p->Judge(push, push.segments[0], 0).verdict, Verdict::kApplied);
    auto update = p->Prepare(push, push.segments[0]);
    EXPECT_TRUE(update.ok()) << update.status();
    p->Compute(update->get());
    return *std::move(update);
  }
  static void End(Partition* p, std::unique_ptr<Partition::Update> update,
                  const std::string& operation) {
    const absl::Status prepared = p->PrepareOperation(operation, update.get());
    ASSERT_TRUE(prepared.ok()) << prepared;
    p->Compute(update.get());
    p->Commit(std::move(update));
  }
  // All but the last push.
  void FillUp(Partition* p) const {
    Apply(p, Push(1, 0, 2, 8, 0.25));
    Apply(p, Push(0, 0, 2, 8, 1));
    Apply(p, Push(0, 2, 4, 8, 2));
  }

  std::unique_ptr<Partition> partition_;
};

TEST_F(OperatedRoundTest, TheLastPushWaitsForTheOperation) {
  Partition* const p = partition_.get();
  FillUp(p);
  auto update = Begin(p, Push(1, 2, 4, 8, 0.5));
  EXPECT_TRUE(update->waits());
  EXPECT_THAT(update->figures(), ElementsAre(3.75, 4 * 8 * 6));
  // Nothing is changed yet.
  EXPECT_EQ(p->rounds().open(), 0);
  EXPECT_EQ(p->marks().mark({0, 1}), 2);
  EXPECT_THAT(Floats(p->Values()), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(p->PrepareOperation("what", update.get()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(update->waits());
  End(p, std::move(update), "100");
  EXPECT_EQ(p->rounds().open(), 1);
  EXPECT_TRUE(p->marks().Complete());
  EXPECT_THAT(Floats(p->Values()), ElementsAre(104, 105, 106, 107, 108, 109));
  EXPECT_THAT(Floats(*p->RoundValues(0)), ElementsAre(0, 1, 2, 3, 4, 5));
  ASSERT_EQ(p->rounds().Operations().size(), 1);
  EXPECT_EQ(p->rounds().Operations()[0].round, 0);
  EXPECT_EQ(p->rounds().Operations()[0].operation, "100");
  // The next is made of the last, however durable.
  p->DropRoundValues(1);
  EXPECT_EQ(p->rounds().Operations().size(), 1);
}

TEST_F(OperatedRoundTest, WhatWaitsIsInNoCutAndMayBeDropped) {
  FillUp(partition_.get());
  auto update = Begin(partition_.get(), Push(1, 2, 4, 8, 0.5));
  const std::vector<double> figures = update->figures();
  auto restored = *Partition::FromCut(record_, PartitionId(0),
                                      std::make_shared<OperatedRule>(), pool_,
                                      *partition_->TakeCut());
  update.reset();
  for (Partition* p : {restored.get(), partition_.get()}) {
    EXPECT_EQ(p->marks().mark({0, 1}), 2);
    auto again = Begin(p, Push(1, 2, 4, 8, 0.5));
    EXPECT_EQ(again->figures(), figures);
    End(p, std::move(again), "1");
    EXPECT_THAT(Floats(p->Values()), ElementsAre(5, 6, 7, 8, 9, 10));
  }
  // With the operation it is one, too.
  const auto closed = *Partition::FromCut(record_, PartitionId(0),
                                          std::make_shared<OperatedRule>(),
                                          pool_, *partition_->TakeCut());
  EXPECT_EQ(closed->rounds().open(), 1);
  ASSERT_EQ(closed->rounds().Operations().size(), 1);
  EXPECT_EQ(closed->rounds().Operations()[0].operation, "1");
}

TEST_F(OperatedRoundTest, MeasuresTheSameInAnyOrderOfArrival) {
  const float tenth = 0.1f, big = 1e7f;
  Partition* const a = partition_.get();
  Apply(a, Push(0, 0, 2, tenth, 0.1));
  Apply(a, Push(0, 2, 4, -tenth * 0.3f, 1e9));
  Apply(a, Push(1, 0, 2, big, 0.3));
  auto of_a = Begin(a, Push(1, 2, 4, -big * 0.3f, 0.7));
  auto b = *Partition::Create(record_, PartitionId(0),
                              std::make_shared<OperatedRule>(), pool_);
  Apply(b.get(), Push(1, 0, 2, big, 0.3));
  Apply(b.get(), Push(0, 0, 2, tenth, 0.1));
  Apply(b.get(), Push(1, 2, 4, -big * 0.3f, 0.7));
  auto of_b = Begin(b.get(), Push(0, 2, 4, -tenth * 0.3f, 1e9));
  EXPECT_EQ(of_a->figures(), of_b->figures());
  End(a, std::move(of_a), "3");
  End(b.get(), std::move(of_b), "3");
  EXPECT_EQ(Floats(a->Values()), Floats(b->Values()));
}

}  // namespace
}  // namespace ebb::server
