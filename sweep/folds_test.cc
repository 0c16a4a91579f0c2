#include "sweep/folds.h"

#include <cmath>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::sweep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Sweep OfFolds(int64_t folds, int parallel) {
  Sweep sweep;
  sweep.name = "digits";
  sweep.method = Method::kGrid;
  sweep.parallel = parallel;
  sweep.metric = "accuracy";
  sweep.maximise = true;
  sweep.folds = folds;
  return sweep;
}

Sweep OfRates() {
  Sweep sweep = OfFolds(2, 3);
  Dimension rate;
  rate.key = "optimizer.rate";
  rate.values = {"0.1", "0.01"};
  sweep.space = {rate};
  return sweep;
}

// The trial has ended, with this accuracy.
Trial Ended(const Step::Begin& begin, double accuracy) {
  Trial trial;
  trial.number = begin.number;
  trial.job = static_cast<uint64_t>(begin.number) + 1;
  trial.choices = begin.choices;
  trial.state = TrialState::kComplete;
  trial.epochs = 2;
  trial.examples = 10;
  trial.began_unix_ms = 5;
  trial.seconds = 0.25;
  trial.measured = {{1, 7, -accuracy / 2}, {2, 8, -accuracy}};
  trial.figures = {{"accuracy", accuracy}, {"log_loss", 1 - accuracy}};
  return trial;
}

TEST(FoldsTest, TheDeviationIsThatOfThePopulation) {
  const Spread spread = SpreadOf(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(spread.mean, 5);
  EXPECT_EQ(spread.deviation, 2);
}

TEST(FoldsTest, EachFoldIsATrial) {
  const Sweep sweep = OfFolds(3, 2);
  std::vector<Trial> trials;
  const Step first = NextStep(sweep, trials, 0);
  ASSERT_THAT(first.begin, SizeIs(2));
  EXPECT_THAT(first.begin[0].choices, ElementsAre(std::pair(kFoldKey, "0")));
  EXPECT_THAT(first.begin[1].choices, ElementsAre(std::pair(kFoldKey, "1")));
  for (const Step::Begin& begin : first.begin) {
    trials.push_back(Ended(begin, 0.5));
  }
  const Step second = NextStep(sweep, trials, 0);
  ASSERT_THAT(second.begin, SizeIs(1));
  EXPECT_THAT(second.begin[0].choices, ElementsAre(std::pair(kFoldKey, "2")));
  EXPECT_FALSE(second.done);
  trials.push_back(Ended(second.begin[0], 0.8));
  const Step last = NextStep(sweep, trials, 0);
  EXPECT_TRUE(last.done);
  EXPECT_EQ(last.why, "every fold has been trained");

  const std::vector<Setting> settings = SettingsOf(sweep, trials);
  ASSERT_THAT(settings, SizeIs(1));
  const Trial& whole = settings[0].whole;
  EXPECT_EQ(whole.state, TrialState::kComplete);
  EXPECT_THAT(whole.choices, IsEmpty());
  EXPECT_EQ(whole.examples, 30);
  EXPECT_EQ(whole.seconds, 0.75);
  EXPECT_NEAR(*ResultOf(whole), -0.6, 1e-12);
  EXPECT_NEAR(*whole.deviation, std::sqrt(0.02), 1e-12);
  ASSERT_THAT(whole.measured, SizeIs(2));
  EXPECT_NEAR(whole.measured[0].value, -0.3, 1e-12);
  ASSERT_THAT(settings[0].figures, SizeIs(2));
  EXPECT_EQ(settings[0].figures[1].name, "log_loss");
  EXPECT_NEAR(settings[0].figures[1].spread.mean, 0.4, 1e-12);
}

TEST(FoldsTest, ASettingGetsAllOfItsFolds) {
  Sweep sweep = OfRates();
  sweep.budget.trials = 1;  // A setting, whatever its folds.
  const Step step = NextStep(sweep, {}, 0);
  ASSERT_THAT(step.begin, SizeIs(2));
  EXPECT_EQ(step.begin[0].choices.at("optimizer.rate"), "0.1");
  EXPECT_EQ(step.begin[1].choices.at("optimizer.rate"), "0.1");
  EXPECT_EQ(step.begin[1].choices.at(kFoldKey), "1");
  EXPECT_EQ(step.why, "budget.trials (1) is used up");

  sweep.budget = {};
  const Step all = NextStep(sweep, {}, 0);
  ASSERT_THAT(all.begin, SizeIs(3));
  EXPECT_EQ(all.begin[2].choices.at("optimizer.rate"), "0.01");
  // The driver dies, and the next one goes on in the middle of a setting.
  const Step next =
      NextStep(sweep,
               {Ended(all.begin[0], 0.5), Ended(all.begin[1], 0.5),
                Ended(all.begin[2], 0.5)},
               0);
  ASSERT_THAT(next.begin, SizeIs(1));
  EXPECT_EQ(next.begin[0].number, 3);
  EXPECT_EQ(next.begin[0].choices,
            (Choices{{"optimizer.rate", "0.01"}, {kFoldKey, "1"}}));
}

TEST(FoldsTest, ASettingWithAStoppedFoldHasNoResult) {
  const Sweep sweep = OfRates();
  const Step step = NextStep(sweep, {}, 0);
  std::vector<Trial> trials = {Ended(step.begin[0], 0.9),
                               Ended(step.begin[1], 0.9),
                               Ended(step.begin[2], 0.5)};
  trials[1].state = TrialState::kStopped;
  trials[1].trouble = "a gradient is not finite";
  const std::vector<Trial> wholes = WholesOf(SettingsOf(sweep, trials));
  ASSERT_THAT(wholes, SizeIs(2));
  EXPECT_EQ(wholes[0].state, TrialState::kStopped);
  EXPECT_EQ(wholes[0].trouble, "a gradient is not finite");
  EXPECT_EQ(ResultOf(wholes[0]), std::nullopt);
  // A mean of one of two folds is not the setting's.
  EXPECT_EQ(wholes[1].state, TrialState::kRunning);
  EXPECT_EQ(wholes[1].seconds, std::nullopt);
  EXPECT_EQ(ResultOf(wholes[1]), std::nullopt);
}

TEST(FoldsTest, FoldsMayEndAtDifferentEpochs) {
  const Sweep sweep = OfFolds(2, 2);
  const Step step = NextStep(sweep, {}, 0);
  std::vector<Trial> trials = {Ended(step.begin[0], 0.5),
                               Ended(step.begin[1], 0.5)};
  trials[1].measured = {{1, 7, -0.7}};  // It stopped early.
  const Trial whole = SettingsOf(sweep, trials)[0].whole;
  ASSERT_THAT(whole.measured, SizeIs(2));
  EXPECT_NEAR(whole.measured[0].value, -(0.25 + 0.7) / 2, 1e-12);
  EXPECT_EQ(whole.measured[1].epochs, 2);
  EXPECT_NEAR(whole.measured[1].value, -0.6, 1e-12);
}

TEST(FoldsTest, LabelsNameTheFold) {
  EXPECT_EQ(LabelOf(OfFolds(5, 1), 3), "fold 3");
  EXPECT_EQ(LabelOf(OfRates(), 3), "trial 1, fold 1");
  EXPECT_EQ(LabelOf(OfFolds(0, 1), 3), "trial 3");
}

}  // namespace
}  // namespace ebb::sweep
