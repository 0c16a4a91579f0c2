#include "worker/engine/look_ahead.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "client/actions.h"
#include "common/filters/filter.h"
#include "common/payload.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/plan.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

constexpr float kMomentum = 0.5;

// Four parameters in two partitions. All values of a pull are alike.
class LookAheadTest : public testing::Test {
 protected:
  LookAheadTest() {
    plan_.parameters = 4;
    plan_.partitions = 2;
    plan_.cut_floats = 2;
    plan_.consistency.kind = ConsistencyKind::kAsp;
  }

  LookAhead Make(std::vector<MomentumRun> runs = {{0, 4, kMomentum}}) const {
    return {plan_, std::move(runs)};
  }

  // After so many updates in each partition.
  static client::PulledValues Pull(const std::vector<int64_t>& updates,
                                   bool during_batch = true) {
    client::PulledValues values;
    values.generation = Generation(1);
    values.during_batch = during_batch;
    values.updates = updates;
    values.terms.assign(updates.size(), Term(1));
    return values;
  }

  std::vector<float> Shown(LookAhead* look_ahead, client::PulledValues pull,
                           float value) const {
    pull.partitions.assign(2, Payload::Of(std::vector<float>(2, value)));
    std::vector<float> out(plan_.parameters);
    EXPECT_TRUE(look_ahead->Assemble(pull, out).ok());
    return out;
  }

  JobPlan plan_;
};

TEST_F(LookAheadTest, ValuesThatLackABatchMoveOnByTheirLastStep) {
  LookAhead look_ahead = Make();
  // How many updates a step has is not known before the second pull.
  EXPECT_THAT(Shown(&look_ahead, Pull({2, 2}), 9), ElementsAre(9, 9, 9, 9));
  EXPECT_THAT(Shown(&look_ahead, Pull({3, 3}), 10),
              ElementsAre(10, 10, 10, 10));

  EXPECT_THAT(Shown(&look_ahead, Pull({4, 4}), 12),
              ElementsAre(13, 13, 13, 13));
  // From what was pulled, and not from what was shown.
  EXPECT_THAT(Shown(&look_ahead, Pull({5, 5}), 16),
              ElementsAre(18, 18, 18, 18));
}

TEST_F(LookAheadTest, ValuesThatHaveTheBatchStayAsTheyAre) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({0, 0}), 9);
  Shown(&look_ahead, Pull({1, 1}), 10);
  EXPECT_THAT(Shown(&look_ahead, Pull({2, 2}, /*during_batch=*/false), 12),
              ElementsAre(12, 12, 12, 12));
  EXPECT_THAT(Shown(&look_ahead, Pull({3, 3}), 13),
              ElementsAre(13.5, 13.5, 13.5, 13.5));
}

TEST_F(LookAheadTest, APartitionWithoutANewUpdateStaysAsItIs) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({0, 0}), 9);
  Shown(&look_ahead, Pull({1, 1}), 10);
  EXPECT_THAT(Shown(&look_ahead, Pull({1, 2}), 12),
              ElementsAre(12, 12, 13, 13));
}

TEST_F(LookAheadTest, AfterAPauseTheyMoveByOneStep) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({1, 1}), 10);
  Shown(&look_ahead, Pull({3, 3}), 12);
  // Others made most of these twenty updates while this worker evaluated.
  EXPECT_THAT(Shown(&look_ahead, Pull({23, 23}), 32),
              ElementsAre(33, 33, 33, 33));
  EXPECT_THAT(Shown(&look_ahead, Pull({25, 25}), 34),
              ElementsAre(35, 35, 35, 35));
}

// Bug: the second pause was taken for a step.
TEST_F(LookAheadTest, ASecondPauseInARowIsNoStepEither) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({1, 1}), 10);
  Shown(&look_ahead, Pull({3, 3}), 12);
  EXPECT_THAT(Shown(&look_ahead, Pull({23, 23}), 32),
              ElementsAre(33, 33, 33, 33));
  // By twice the step, and not by twenty updates.
  EXPECT_THAT(Shown(&look_ahead, Pull({43, 43}), 52),
              ElementsAre(54, 54, 54, 54));
  EXPECT_THAT(Shown(&look_ahead, Pull({45, 45}), 54),
              ElementsAre(55, 55, 55, 55));
}

TEST_F(LookAheadTest, StepsMayBecomeLonger) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({1, 1}), 10);
  Shown(&look_ahead, Pull({2, 2}), 11);
  // Other copies join.
  Shown(&look_ahead, Pull({6, 6}), 15);
  Shown(&look_ahead, Pull({10, 10}), 19);
  EXPECT_THAT(Shown(&look_ahead, Pull({14, 14}), 23),
              ElementsAre(25, 25, 25, 25));
}

// Bug: the difference of thousands of updates counted as one step.
TEST_F(LookAheadTest, AFirstStepOfAnyLengthMovesNothing) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({1, 1}), 10);
  Shown(&look_ahead, Pull({1, 1}), 10);
  // Others made them while this worker computed its first batch.
  EXPECT_THAT(Shown(&look_ahead, Pull({3001, 3001}), 50),
              ElementsAre(50, 50, 50, 50));
  EXPECT_THAT(Shown(&look_ahead, Pull({3002, 3002}), 52),
              ElementsAre(53, 53, 53, 53));
}

TEST_F(LookAheadTest, ValuesThatWereRestoredBeginAnew) {
  LookAhead look_ahead = Make();
  Shown(&look_ahead, Pull({4, 4}), 9);
  Shown(&look_ahead, Pull({5, 5}), 10);
  client::PulledValues restarted = Pull({6, 6});
  restarted.terms[1] = Term(2);
  EXPECT_THAT(Shown(&look_ahead, restarted, 12), ElementsAre(13, 13, 12, 12));
  client::PulledValues rolled_back = restarted;
  rolled_back.generation = Generation(2);
  rolled_back.updates = {7, 7};
  EXPECT_THAT(Shown(&look_ahead, rolled_back, 4), ElementsAre(4, 4, 4, 4));
  rolled_back.updates = {3, 3};
  EXPECT_THAT(Shown(&look_ahead, rolled_back, 2), ElementsAre(2, 2, 2, 2));
}

TEST_F(LookAheadTest, ParametersWithoutMomentumStayAsTheyAre) {
  LookAhead look_ahead = Make({{0, 1, kMomentum}, {3, 4, 0.25}});
  Shown(&look_ahead, Pull({0, 0}), 9);
  Shown(&look_ahead, Pull({1, 1}), 10);
  EXPECT_THAT(Shown(&look_ahead, Pull({2, 2}), 12),
              ElementsAre(13, 12, 12, FloatEq(12.5)));
}

TEST_F(LookAheadTest, ItHoldsTheValuesOnlyWhereItIsOfUse) {
  EXPECT_EQ(Make().bytes(), 16);
  EXPECT_EQ(Make({}).bytes(), 0);
  plan_.filters.pull.kind = FilterKind::kBfloat16;
  EXPECT_EQ(Make().bytes(), 0);
  plan_.filters = {};
  plan_.consistency.kind = ConsistencyKind::kRounds;
  plan_.consistency.round_items = 1;
  LookAhead rounds = Make();
  EXPECT_EQ(rounds.bytes(), 0);
  Shown(&rounds, Pull({1, 1}), 10);
  EXPECT_THAT(Shown(&rounds, Pull({2, 2}), 12), ElementsAre(12, 12, 12, 12));
}

}  // namespace
}  // namespace ebb::worker
