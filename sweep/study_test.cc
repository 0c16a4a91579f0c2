#include "sweep/study.h"

#include <cmath>

#include "gtest/gtest.h"

namespace ebb::sweep {
namespace {

Sweep Rates(int64_t trials) {
  Sweep sweep;
  sweep.name = "rates";
  sweep.metric = "accuracy";
  sweep.maximise = true;
  sweep.budget.trials = trials;
  Dimension rate;
  rate.key = "optimizer.rate";
  rate.kind = Dimension::Kind::kRange;
  rate.low = 0.001;
  rate.high = 1;
  rate.log = true;
  sweep.space = {rate};
  return sweep;
}

TEST(StudyTest, ItAsksUntilTheBudgetIsUsedUp) {
  Study study(Rates(3), {});
  for (int64_t number = 0; number < 3; ++number) {
    const auto trial = study.Ask(0);
    ASSERT_TRUE(trial.has_value());
    EXPECT_EQ(trial->number, number);
    EXPECT_TRUE(study.Tell(number, 1, 1, 0.5));
    EXPECT_TRUE(study.Finish(number));
    EXPECT_FALSE(study.Finish(number));
  }
  EXPECT_FALSE(study.Ask(0).has_value());
}

TEST(StudyTest, HalvingStopsATrialThatIsNotAmongTheBest) {
  Sweep sweep = Rates(3);
  sweep.halving = Halving{1, 2};
  Study study(sweep, {});
  study.Ask(0);
  study.Ask(0);
  EXPECT_TRUE(study.Tell(0, 1, 4, 0.9));
  EXPECT_FALSE(study.Tell(1, 1, 4, 0.8));
  EXPECT_EQ(study.trials()[1].state, TrialState::kStopped);
  EXPECT_FALSE(study.Tell(1, 2, 4, 1.0));
  EXPECT_TRUE(study.Tell(0, 2, 4, 0.95));
}

// Bug: a rung that the trial had not told of stopped it at its end, and its
// result never counted.
TEST(StudyTest, HalvingDoesNotStopATrialThatIsOver) {
  Sweep sweep = Rates(3);
  sweep.halving = Halving{1, 2};
  Study study(sweep, {});
  study.Ask(0);
  study.Ask(0);
  EXPECT_TRUE(study.Tell(0, 1, 4, 0.9));
  EXPECT_TRUE(study.Tell(0, 2, 4, 0.95));
  EXPECT_TRUE(study.Finish(0, 0.7));
  EXPECT_TRUE(study.Tell(1, 1, 4, 0.91));
  EXPECT_TRUE(study.Finish(1, 0.8));
  EXPECT_FALSE(study.Finish(1, 0.8));
  EXPECT_EQ(study.trials()[1].state, TrialState::kComplete);
  EXPECT_EQ(BestOf(study.trials()), 1u);
}

TEST(StudyTest, ItGoesOnFromItsTrials) {
  Study whole(Rates(20), {});
  Study first(Rates(20), {});
  for (int64_t number = 0; number < 20; ++number) {
    Study second(Rates(20), first.trials());
    const auto expected = whole.Ask(0);
    const auto trial = second.Ask(0);
    ASSERT_EQ(trial->choices, expected->choices);
    const double metric = std::cos(static_cast<double>(number));
    whole.Tell(number, 1, 1, metric);
    whole.Finish(number);
    second.Tell(number, 1, 1, metric);
    second.Finish(number);
    first = second;
  }
}

TEST(StudyTest, AFailedTrialHasNoResult) {
  Study study(Rates(3), {});
  study.Ask(0);
  study.Tell(0, 1, 3, 0.9);
  EXPECT_TRUE(study.Fail(0));
  EXPECT_FALSE(BestOf(study.trials()).has_value());
  EXPECT_FALSE(study.Tell(7, 1, 3, 0.9));
}

}  // namespace
}  // namespace ebb::sweep
