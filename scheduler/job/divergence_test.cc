#include "scheduler/job/divergence.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kEpoch = 60'000;
constexpr double kGuess = 2.302585;  // Of ten classes.
constexpr char kRate[] = "optimizer.rate";

JobPlan Plan() {
  JobPlan plan;
  plan.examples = kEpoch;
  plan.epochs = 8;
  plan.batch_by_epoch = {100};
  plan.shard_size = 6000;
  return plan;
}

// Tells the losses, so many examples apart; returns how often trouble began.
int TellLosses(const std::vector<double>& losses, int64_t step,
               int64_t* applied, Divergence* divergence) {
  int troubles = 0;
  for (const double loss : losses) {
    *applied += step;
    if (divergence->Heard(loss, *applied)) ++troubles;
  }
  return troubles;
}

class DivergenceTest : public ::testing::Test {
 protected:
  int Tell(const std::vector<double>& losses, int64_t step = 5000) {
    return TellLosses(losses, step, &applied_, &divergence_);
  }

  int64_t applied_ = 0;
  Divergence divergence_{Plan(), kGuess};
};

TEST_F(DivergenceTest, ALossThatFallsIsGood) {
  EXPECT_EQ(Tell({2.1, 1.4, .9, .7, .6, .55, .52, .5, .48, .47, .46, .45, .44}),
            0);
  EXPECT_EQ(divergence_.trouble(), std::nullopt);
}

// Mini-batches and ends of epochs make such noise.
TEST_F(DivergenceTest, NoiseAndPlateausAreGood) {
  std::vector<double> losses = {2.2, 1.1, .62};
  for (int i = 0; i < 200; ++i) {
    losses.push_back(.35 + .2 * std::abs(std::sin(i * 1.7)));
  }
  EXPECT_EQ(Tell(losses), 0);
}

TEST_F(DivergenceTest, AShortJumpIsGood) {
  EXPECT_EQ(Tell({2.2, .9, .5, .4, .35, 3, 2, .4, .35, .34, 3, .4, .33}), 0);
}

TEST_F(DivergenceTest, ALossThatRisesFarAboveItsBestIsTroubleOnce) {
  EXPECT_EQ(Tell({2.1, .9, .5, .35, .6, 1.2, 2.4, 2.5, 2.6, 2.5, 2.5, 2.6}), 1);
  ASSERT_TRUE(divergence_.trouble().has_value());
  EXPECT_EQ(divergence_.trouble()->best, .35);
  EXPECT_EQ(divergence_.trouble()->best_at, 20'000);
  EXPECT_FALSE(divergence_.trouble()->never_fell);
}

TEST_F(DivergenceTest, WhatComesBackIsGoodAndMayBeTroubleAgain) {
  EXPECT_EQ(Tell({2.1, .5, .35, 2.4, 2.5, 2.6, 2.5}), 1);
  EXPECT_EQ(Tell({1.5, .9, .5}), 0);
  EXPECT_EQ(divergence_.trouble(), std::nullopt);
  EXPECT_EQ(Tell({2.4, 2.5, 2.6, 2.5}), 1);
}

// 64 workers under asp ran at 2.5 to the end without a word.
TEST_F(DivergenceTest, ALossThatStaysAboveThatOfGuessingIsTrouble) {
  EXPECT_EQ(Tell({2.4, 2.5, 2.5, 2.5, 2.5}), 0);  // It may learn yet.
  EXPECT_EQ(Tell({2.5, 2.5, 2.5, 2.5, 2.5, 2.5}), 1);
  ASSERT_TRUE(divergence_.trouble().has_value());
  EXPECT_TRUE(divergence_.trouble()->never_fell);
}

// Weights that start large, and a small rate.
TEST_F(DivergenceTest, ALossFarAboveThatOfGuessingThatFallsIsGood) {
  std::vector<double> losses;
  for (int i = 0; i < 60; ++i) losses.push_back(60 - i);
  EXPECT_EQ(Tell(losses), 0);
}

// Labels that nothing can be learned of.
TEST_F(DivergenceTest, ALossAtThatOfGuessingIsNone) {
  EXPECT_EQ(Tell(std::vector<double>(50, 2.33)), 0);
}

TEST_F(DivergenceTest, TheFirstLossStandsForThatOfGuessing) {
  Divergence values(Plan(), 0);
  int64_t applied = 0;
  EXPECT_EQ(TellLosses({80, 20, 5, 4, 3, 2.5, 3, 2}, 5000, &applied, &values),
            0);
  EXPECT_EQ(TellLosses({10, 50, 200, 1000, 1e5, 1e9}, 5000, &applied, &values),
            1);
  EXPECT_FALSE(values.trouble()->start_known);
  EXPECT_EQ(values.trouble()->start, 80);
}

// Bug: word vectors diverged when a batch had pairs after others without.
TEST_F(DivergenceTest, ALossOfZeroIsGoodAndNotTheBest) {
  std::vector<double> losses;
  for (int i = 0; i < 50; ++i) losses.insert(losses.end(), {0, 2.2, 2.1, 2.2});
  EXPECT_EQ(Tell(losses), 0);
  EXPECT_FALSE(divergence_.Ended(2.2, {0, 2.2}));
  EXPECT_FALSE(divergence_.Ended(0, {2.2}));
}

TEST_F(DivergenceTest, WhatIsHeardTwiceIsOneLoss) {
  EXPECT_EQ(Tell({2.1, .5, .35}), 0);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(divergence_.Heard(2.5, applied_ + 5000));
  }
}

TEST_F(DivergenceTest, WhatIsNoNumberIsTheGradientsAffair) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Tell({2.1, .5, nan, nan, nan, nan, nan}), 0);
  EXPECT_EQ(Tell({-1, -1, .4}), 0);
}

TEST_F(DivergenceTest, AfterARollbackTheNextLossIsTheFirst) {
  EXPECT_EQ(Tell({2.1, .5, .35, 2.4, 2.5, 2.6, 2.5}), 1);
  divergence_.Forget();
  EXPECT_EQ(divergence_.trouble(), std::nullopt);
  EXPECT_EQ(Tell({1.2, 1.1, 1.3, 1.2, 1.1}), 0);
}

// Each trial of a line search is a round, and one may go much too far.
TEST_F(DivergenceTest, TrialsOfALineSearchAreNoTrouble) {
  JobPlan plan = Plan();
  plan.algorithm.operated = true;
  Divergence search(plan, kGuess);
  int64_t applied = 0;
  EXPECT_EQ(TellLosses(std::vector<double>(20, 100), kEpoch, &applied, &search),
            0);
}

// A round may be an epoch: two bad ones are chance.
TEST_F(DivergenceTest, ARoundIsHeardOnce) {
  JobPlan plan = Plan();
  plan.consistency.kind = ConsistencyKind::kRounds;
  plan.consistency.round_items = 10;
  Divergence rounds(plan, kGuess);
  int64_t applied = 0;
  EXPECT_EQ(TellLosses({2.3, 1.5, .8, 1.9, 1.9}, kEpoch, &applied, &rounds), 0);
  EXPECT_EQ(TellLosses({2.4, 2.5}, kEpoch, &applied, &rounds), 1);
}

// Bug: a run of less than a second was over before three reports came.
TEST_F(DivergenceTest, AJobThatEndsWorseThanGuessingIsTroubleHoweverShort) {
  EXPECT_TRUE(divergence_.Ended(2.5, {2.4, 2.5}));
  ASSERT_TRUE(divergence_.trouble().has_value());
  EXPECT_TRUE(divergence_.trouble()->never_fell);
  EXPECT_FALSE(divergence_.Ended(2.5, {2.4, 2.5}));  // It is told once.
}

TEST_F(DivergenceTest, AJobThatEndsFarAboveItsBestEpochIsTrouble) {
  EXPECT_TRUE(divergence_.Ended(1.9, {.9, .4, 1.2}));
  EXPECT_FALSE(divergence_.trouble()->never_fell);
  EXPECT_EQ(divergence_.trouble()->best, .4);
  EXPECT_EQ(divergence_.trouble()->best_at, 2 * kEpoch);
}

TEST_F(DivergenceTest, AJobThatEndsWellIsGood) {
  EXPECT_FALSE(divergence_.Ended(.5, {2.4, .9, .4}));
  // Nothing can be learned.
  EXPECT_FALSE(Divergence(Plan(), kGuess).Ended(2.31, {2.3}));
  EXPECT_FALSE(Divergence(Plan(), kGuess).Ended(2.6, {2.35}));
  EXPECT_FALSE(Divergence(Plan(), kGuess).Ended(0, {}));
  Divergence unknown(Plan(), 0);
  EXPECT_FALSE(unknown.Ended(80, {}));
  EXPECT_EQ(unknown.trouble(), std::nullopt);
}

TEST(DivergenceTextTest, TellsASquaredLossInTheUnitsOfTheLabels) {
  const Divergence::Trouble never = {
      .loss = 200, .start = 50, .start_known = true, .never_fell = true};
  EXPECT_EQ(DivergenceText(never, kEpoch, true, kRate, {}),
            "the training RMSE is 20, and always saying the mean of the labels "
            "has 10: the model is worse than that. Take a smaller rate "
            "(optimizer.rate)");
}

// Bug: a rate that was too small was told to be too large.
TEST(DivergenceTextTest, BlamesNoLargeRateWhereTheLossStillFalls) {
  const Divergence::Trouble slow = {.loss = 200,
                                    .best = 200,
                                    .start = 50,
                                    .start_known = true,
                                    .never_fell = true};
  EXPECT_THAT(DivergenceText(slow, kEpoch, true, kRate, {}),
              HasSubstr("worse than that. The rate (optimizer.rate) is too "
                        "small, or too large, for features and labels of this "
                        "scale; where data.standardise"));
}

// It was compared with the log loss of test data without a word.
TEST(DivergenceTextTest, SaysThatTheTestsLogLossIsCut) {
  const Divergence::Trouble never = {
      .loss = 122, .start = .6931, .start_known = true, .never_fell = true};
  EXPECT_THAT(DivergenceText(never, kEpoch, false, kRate, {}),
              HasSubstr("worse than that (the log loss of test data, which is "
                        "cut at 34.5 an example, shows less of it)."));
}

// Clocks count batches, so runs have none, and their rate has another key.
TEST(DivergenceTextTest, OfRunsItNamesTheirRateAndRounds) {
  const Divergence::Trouble never = {
      .loss = 2.5, .start = kGuess, .start_known = true, .never_fell = true};
  EXPECT_THAT(
      DivergenceText(never, kEpoch, false, "algorithm.inner.rate",
                     {.mean_staleness = 20,
                      .asynchronous = true,
                      .scales_late_steps = true,
                      .runs = true}),
      HasSubstr("take fewer workers (ebb scale), consistency: rounds, or a "
                "smaller rate (algorithm.inner.rate)"));
}

TEST(DivergenceTextTest, SaysWhatIsSeenAndWhatHelps) {
  const Divergence::Trouble rose = {.loss = 2.5,
                                    .best = .35,
                                    .best_at = 90'000,
                                    .start = kGuess,
                                    .start_known = true};
  EXPECT_EQ(DivergenceText(rose, kEpoch, false, kRate, {}),
            "the training loss is 2.5, its best was 0.35 after 1.5 epochs, and "
            "guessing has 2.303: the training diverges. Take a smaller rate "
            "(optimizer.rate)");
  Divergence::Trouble never = rose;
  never.never_fell = true;
  EXPECT_EQ(
      DivergenceText(never, kEpoch, false, kRate,
                     {.mean_staleness = 121, .asynchronous = true}),
      "the training loss is 2.5, and guessing has 2.303: the model is "
      "worse than that. Gradients are late by 121 updates on average: take "
      "fewer workers (ebb scale), consistency: ssp, algorithm: "
      "staleness_aware, "
      "or a smaller rate (optimizer.rate)");
  EXPECT_THAT(DivergenceText(never, kEpoch, false, kRate,
                             {.mean_staleness = 20, .scales_late_steps = true}),
              AllOf(HasSubstr("fewer workers"),
                    Not(HasSubstr("staleness_aware")), Not(HasSubstr("ssp"))));
  never.start_known = false;
  EXPECT_THAT(DivergenceText(never, kEpoch, false, kRate, {}),
              HasSubstr("it began with 2.303"));
}

}  // namespace
}  // namespace ebb::scheduler
