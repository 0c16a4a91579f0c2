#include "sweep/sweep.h"

#include <cmath>
#include <iostream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::sweep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Sweep SweepOf(Method method, int64_t trials, int parallel) {
  Sweep sweep;
  sweep.name = "digits";
  sweep.method = method;
  sweep.parallel = parallel;
  sweep.budget.trials = trials;
  Dimension rate;
  rate.key = "optimizer.rate";
  rate.kind = Dimension::Kind::kRange;
  rate.low = 0.001;
  rate.high = 1;
  rate.log = true;
  rate.steps = 7;
  sweep.space = {rate};
  return sweep;
}

Trial TrialOf(const Step::Begin& begin, int32_t epochs) {
  Trial trial;
  trial.number = begin.number;
  trial.job = static_cast<uint64_t>(begin.number) + 1;
  trial.choices = begin.choices;
  trial.epochs = epochs;
  return trial;
}

TEST(SweepTest, ItBeginsAsManyTrialsAsTrainAtOnce) {
  const Sweep sweep = SweepOf(Method::kRandom, 5, 2);
  const Step first = NextStep(sweep, {}, 0);
  ASSERT_THAT(first.begin, SizeIs(2));
  EXPECT_EQ(first.begin[0].number, 0);
  EXPECT_EQ(first.begin[1].number, 1);
  EXPECT_NE(first.begin[0].choices, first.begin[1].choices);
  EXPECT_FALSE(first.done);
  std::vector<Trial> trials = {TrialOf(first.begin[0], 3),
                               TrialOf(first.begin[1], 3)};
  EXPECT_THAT(NextStep(sweep, trials, 0).begin, IsEmpty());
  trials[0].state = TrialState::kComplete;
  const Step next = NextStep(sweep, trials, 0);
  ASSERT_THAT(next.begin, SizeIs(1));
  EXPECT_EQ(next.begin[0].number, 2);
}

TEST(SweepTest, TheModelLearnsFromCompleteTrialsWhateverTheirEpochs) {
  Sweep sweep = SweepOf(Method::kTpe, 100, 10);
  Dimension kind;
  kind.key = "optimizer.kind";
  kind.values = {"adam", "sgd"};
  sweep.space.push_back(kind);
  // The better ones ended early, by `stop`.
  std::vector<Trial> trials;
  for (const Step::Begin& begin : NextStep(sweep, {}, 0).begin) {
    const bool good = begin.choices.at("optimizer.kind") == "adam";
    Trial trial = TrialOf(begin, good ? 2 : 9);
    trial.state = TrialState::kComplete;
    trial.measured = {{good ? 2 : 9, begin.number, good ? 0.1 : 0.5}};
    trials.push_back(std::move(trial));
  }
  int good = 0;
  for (const Step::Begin& begin : NextStep(sweep, trials, 0).begin) {
    if (begin.choices.at("optimizer.kind") == "adam") ++good;
  }
  EXPECT_GE(good, 7);
}

TEST(SweepTest, ItIsDoneWhenTheBudgetIsUsedUpAndNoTrialRuns) {
  const Sweep sweep = SweepOf(Method::kRandom, 1, 2);
  std::vector<Trial> trials = {TrialOf(NextStep(sweep, {}, 0).begin[0], 3)};
  EXPECT_FALSE(NextStep(sweep, trials, 0).done);
  trials[0].state = TrialState::kComplete;
  const Step last = NextStep(sweep, trials, 0);
  EXPECT_TRUE(last.done);
  EXPECT_EQ(last.why, "budget.trials (1) is used up");
}

TEST(SweepTest, ABudgetOfExamplesOrTimeEndsIt) {
  Sweep sweep = SweepOf(Method::kRandom, 5, 1);
  sweep.budget = {};
  sweep.budget.examples = 100;
  std::vector<Trial> trials = {TrialOf(NextStep(sweep, {}, 0).begin[0], 3)};
  trials[0].state = TrialState::kComplete;
  trials[0].examples = 99;
  trials[0].began_unix_ms = 1000;
  EXPECT_FALSE(NextStep(sweep, trials, 2000).done);
  trials[0].examples = 100;
  EXPECT_TRUE(NextStep(sweep, trials, 2000).done);
  sweep.budget.examples.reset();
  sweep.budget.time = absl::Seconds(2);
  EXPECT_FALSE(NextStep(sweep, trials, 2999).done);
  EXPECT_TRUE(NextStep(sweep, trials, 3000).done);
}

TEST(SweepTest, AGridEndsByItself) {
  Sweep sweep = SweepOf(Method::kGrid, 100, 100);
  const Step first = NextStep(sweep, {}, 0);
  EXPECT_THAT(first.begin, SizeIs(7));
  EXPECT_EQ(first.why, "every point of the space has been tried");
}

TEST(SweepTest, ATrialThatCannotGoOnIsStopped) {
  const Sweep sweep = SweepOf(Method::kRandom, 1, 1);
  std::vector<Trial> trials = {TrialOf(NextStep(sweep, {}, 0).begin[0], 3)};
  trials[0].trouble = "a gradient is not finite";
  const Step step = NextStep(sweep, trials, 0);
  ASSERT_THAT(step.stop, SizeIs(1));
  EXPECT_EQ(step.stop[0].job, 1u);
  trials[0].state = TrialState::kStopped;
  EXPECT_EQ(WhyStopped(sweep, trials, 0), "a gradient is not finite");
}

// Runs a sweep of jobs whose loss after e epochs is b + 1 / e, where b follows
// from the rate: all examples, and the best loss at the end.
struct Came {
  int64_t epochs = 0;
  double best = HUGE_VAL;
};
Came RunAll(const Sweep& sweep, int32_t epochs) {
  std::vector<Trial> trials;
  Came came;
  for (int64_t now = 1;; ++now) {
    const Step step = NextStep(sweep, trials, now);
    for (const Step::Stop& stop : step.stop) {
      trials[static_cast<size_t>(stop.number)].state = TrialState::kStopped;
    }
    for (const Step::Begin& begin : step.begin) {
      trials.push_back(TrialOf(begin, epochs));
    }
    if (step.done) break;
    for (Trial& trial : trials) {
      if (trial.state != TrialState::kRunning) continue;
      const auto epoch = static_cast<int32_t>(trial.measured.size()) + 1;
      const double rate =
          *PlaceOf(sweep.space[0], trial.choices.begin()->second);
      const double loss = std::abs(rate - 0.5) + 1.0 / epoch;
      trial.measured.push_back({epoch, now * 1000 + trial.number, loss});
      ++came.epochs;
      if (epoch < epochs) continue;
      trial.state = TrialState::kComplete;
      came.best = std::min(came.best, loss);
    }
  }
  return came;
}

// Li et al. 2020: the same best for a fraction of the training.
TEST(SweepTest, HalvingTakesAFractionOfTheExamples) {
  Sweep sweep = SweepOf(Method::kRandom, 60, 4);
  const Came full = RunAll(sweep, 9);
  EXPECT_EQ(full.epochs, 60 * 9);
  sweep.halving = Halving{1, 3};
  const Came halved = RunAll(sweep, 9);
  std::cout << "epochs: " << full.epochs << " without halving, "
            << halved.epochs << " with it\n";
  EXPECT_LT(halved.epochs, full.epochs / 2);
  EXPECT_EQ(halved.best, full.best);
}

// Bug: such trials were said to be stopped, and then to be complete.
TEST(SweepTest, TrialsThatAreCompleteBeforeTheyCanBeStoppedAreCounted) {
  Sweep sweep = SweepOf(Method::kRandom, 4, 4);
  std::vector<Trial> trials;
  for (const Step::Begin& begin : NextStep(sweep, {}, 0).begin) {
    Trial trial = TrialOf(begin, 9);
    trial.state = TrialState::kComplete;
    // Each is worse than those before, at the first rung and at the end.
    const double loss = 0.1 * static_cast<double>(begin.number + 1);
    trial.measured = {{1, 10 + begin.number, loss}, {9, 20, loss}};
    trials.push_back(trial);
  }
  EXPECT_EQ(TooQuickToStop(sweep, trials), 0);
  sweep.halving = Halving{1, 3};
  EXPECT_EQ(TooQuickToStop(sweep, trials), 3);
  trials[1].state = TrialState::kStopped;
  EXPECT_EQ(TooQuickToStop(sweep, trials), 2);
  EXPECT_EQ(WhyStopped(sweep, trials, 1), "stopped by halving at epoch 1");
}

TEST(SweepTest, CompleteTrialsRankBeforeStoppedOnes) {
  std::vector<Trial> trials(4);
  for (size_t i = 0; i < trials.size(); ++i) {
    trials[i].number = static_cast<int64_t>(i);
  }
  trials[0].state = TrialState::kComplete;
  trials[0].measured = {{3, 1, 0.5}};
  trials[1].state = TrialState::kStopped;
  trials[1].measured = {{1, 1, 0.1}};
  trials[2].state = TrialState::kComplete;
  trials[2].measured = {{3, 1, 0.4}};
  trials[3].state = TrialState::kStopped;
  EXPECT_THAT(Ranking(trials), ElementsAre(2, 0, 1, 3));
  EXPECT_EQ(BestOf(trials), 2u);
}

TEST(SweepTest, TheNameOfATrialsJobTellsItsNumber) {
  EXPECT_EQ(TrialName("digits", 7), "digits.0007");
  EXPECT_EQ(NumberOfTrial("digits", "digits.0007"), 7);
  EXPECT_EQ(NumberOfTrial("digits", "digits.12345"), 12345);
  EXPECT_EQ(NumberOfTrial("digits", "digits.7"), std::nullopt);
  EXPECT_EQ(NumberOfTrial("digits", "digits-2.0007"), std::nullopt);
  EXPECT_EQ(NumberOfTrial("digits", "digits.00x7"), std::nullopt);
}

}  // namespace
}  // namespace ebb::sweep
