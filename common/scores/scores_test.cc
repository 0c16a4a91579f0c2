#include "common/scores/scores.h"

#include <cmath>
#include <limits>
#include <vector>

#include "common/scores/auc.h"
#include "common/scores/figures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

// Optional(DoubleNear) of a figure that must be there.
auto IsNear(double value) { return Optional(DoubleNear(value, 1e-9)); }

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(ScoresTest, TwoClassesHaveAllFiguresOfAClassifier) {
  Scores scores(Task::kTwoClasses, 1);
  // Taken for: 1, 1, 0, 0, 1.
  scores.Add(std::vector<float>{1, 0, 1}, std::vector<float>{.9f, .6f, .4f});
  scores.Add(std::vector<float>{-1, 1}, std::vector<float>{.1f, .8f});
  const Figures figures = scores.Get();
  EXPECT_THAT(figures.Find(kAccuracy), IsNear(3.0 / 5));
  const double log_loss = -(std::log(double{.9f}) + std::log(1 - double{.6f}) +
                            std::log(double{.4f}) + std::log(1 - double{.1f}) +
                            std::log(double{.8f})) /
                          5;
  EXPECT_THAT(figures.Find(kLogLoss), IsNear(log_loss));
  // Pairs (second, first) in order: .9 twice, .4 once, .8 twice, of six.
  EXPECT_THAT(figures.Find(kAuc), IsNear(5.0 / 6));
  EXPECT_THAT(figures.Find(kPrecision), IsNear(2.0 / 3));
  EXPECT_THAT(figures.Find(kRecall), IsNear(2.0 / 3));
  EXPECT_THAT(figures.Find(kF1), IsNear(2.0 / 3));
  EXPECT_THAT(figures.Find(kBaselineAccuracy), IsNear(3.0 / 5));
  EXPECT_THAT(figures.Find(kBaselineLogLoss),
              IsNear(-.6 * std::log(.6) - .4 * std::log(.4)));
  EXPECT_THAT(figures.confusion, ElementsAre(1, 1, 1, 2));
  // No bin has examples of both classes.
  EXPECT_THAT(figures.Find(kCalibrationError),
              Optional(DoubleNear((.1 + .6 + .6 + .1 + .2) / 5, 1e-7)));
  EXPECT_EQ(figures.calibration.size(), kCalibrationBins);
  EXPECT_EQ(figures.calibration[4],
            (CalibrationBin{1, static_cast<double>(.4f), 1}));
  EXPECT_EQ(figures.Find(kRmse), std::nullopt);
}

TEST(ScoresTest, TwoOutputsOfTwoClassesAreTheProbabilityOfEach) {
  Scores one(Task::kTwoClasses, 1), two(Task::kTwoClasses, 2);
  one.Add(std::vector<float>{1, 0, 0}, std::vector<float>{.75f, .5f, .625f});
  two.Add(std::vector<float>{1, 0, 0},
          std::vector<float>{.25f, .75f, .5f, .5f, .375f, .625f});
  EXPECT_EQ(one.Get(), two.Get());
}

TEST(ScoresTest, EitherOfTwoClassesMayBeThePositiveOne) {
  const std::vector<float> labels = {1, 0, 1, 0, 1};
  Scores one(Task::kTwoClasses, 1, {}, /*positive=*/0);
  Scores two(Task::kTwoClasses, 2, {}, /*positive=*/0);
  one.Add(labels, std::vector<float>{.75f, .625f, .375f, .125f, .875f});
  two.Add(labels, std::vector<float>{.25f, .75f, .375f, .625f, .625f, .375f,
                                     .875f, .125f, .125f, .875f});
  const Figures figures = one.Get();
  EXPECT_EQ(figures, two.Get());
  // Taken for the first class: the third, wrongly, and the fourth.
  EXPECT_THAT(figures.Find(kPrecision), IsNear(1.0 / 2));
  EXPECT_THAT(figures.Find(kRecall), IsNear(1.0 / 2));
  EXPECT_THAT(figures.Find(kAccuracy), IsNear(3.0 / 5));
  EXPECT_THAT(figures.Find(kAuc), IsNear(5.0 / 6));
  EXPECT_EQ(figures.calibration[8], (CalibrationBin{1, .875, 1}));
  EXPECT_EQ(figures.calibration[1], (CalibrationBin{1, .125, 0}));
}

TEST(ScoresTest, SeveralClassesHaveTheMeanOfTheirF1) {
  Scores scores(Task::kClasses, 4);
  // Taken for 0, 1, 1; nothing is of class 3 or taken for it.
  scores.Add(std::vector<float>{0, 1, 2},
             std::vector<float>{.5f, .25f, .25f, 0,  //
                                .25f, .5f, .25f, 0,  //
                                .25f, .5f, .25f, 0});
  const Figures figures = scores.Get();
  EXPECT_THAT(figures.Find(kAccuracy), IsNear(2.0 / 3));
  EXPECT_THAT(figures.Find(kF1), IsNear((1 + 2.0 / 3 + 0) / 3));
  EXPECT_THAT(figures.Find(kLogLoss),
              IsNear((std::log(2) * 2 + std::log(4)) / 3));
  EXPECT_THAT(figures.Find(kBaselineAccuracy), IsNear(1.0 / 3));
  EXPECT_EQ(figures.Find(kAuc), std::nullopt);
  EXPECT_EQ(figures.Find(kCalibrationError), std::nullopt);
  EXPECT_THAT(figures.calibration, IsEmpty());
  EXPECT_THAT(figures.confusion, ElementsAre(1, 0, 0, 0,  //
                                             0, 1, 0, 0,  //
                                             0, 1, 0, 0,  //
                                             0, 0, 0, 0));
}

TEST(ScoresTest, ManyClassesHaveNoConfusionMatrix) {
  const int64_t classes = kMostConfusedClasses + 1;
  Scores scores(Task::kClasses, classes);
  std::vector<float> prediction(classes, 0);
  prediction.back() = 1;
  scores.Add(std::vector<float>{static_cast<float>(classes - 1)}, prediction);
  EXPECT_THAT(scores.Get().confusion, IsEmpty());
  EXPECT_THAT(scores.Get().Find(kAccuracy), IsNear(1));
}

TEST(ScoresTest, ValuesHaveTheFiguresOfARegression) {
  Scores scores(Task::kValues, 1);
  scores.Add(std::vector<float>{1, 2, 3}, std::vector<float>{1, 2, 5});
  scores.Add(std::vector<float>{6}, std::vector<float>{5});
  const Figures figures = scores.Get();
  EXPECT_THAT(figures.Find(kRmse), IsNear(std::sqrt(5.0 / 4)));
  EXPECT_THAT(figures.Find(kMae), IsNear(3.0 / 4));
  // The mean is 3, the squares 4 + 1 + 0 + 9.
  EXPECT_THAT(figures.Find(kR2), IsNear(1 - 5.0 / 14));
  EXPECT_THAT(figures.Find(kBaselineRmse), IsNear(std::sqrt(14.0 / 4)));
  EXPECT_THAT(figures.confusion, IsEmpty());
}

// A model may see standardised labels; people read prices.
TEST(ScoresTest, FiguresOfValuesAreInTheUnitsOfTheUser) {
  Scores scores(Task::kValues, 1, {.mean = 300'000, .unit = 1000});
  scores.Add(std::vector<float>{-1, 1}, std::vector<float>{-1, 4});
  EXPECT_THAT(scores.Get().Find(kRmse), IsNear(std::sqrt(4.5) * 1000));
  EXPECT_THAT(scores.Get().Find(kMae), IsNear(1500));
  EXPECT_THAT(scores.Get().Find(kR2), IsNear(1 - 9.0 / 2));
  EXPECT_THAT(scores.Get().Find(kBaselineRmse), IsNear(1000));
}

TEST(ScoresTest, LargeLabelsDoNotCancel) {
  Scores scores(Task::kValues, 1);
  constexpr float kFar = 16777200;
  scores.Add(std::vector<float>{kFar, kFar + 2},
             std::vector<float>{kFar, kFar});
  EXPECT_THAT(scores.Get().Find(kBaselineRmse), IsNear(1));
  EXPECT_THAT(scores.Get().Find(kR2), IsNear(-1));
}

TEST(ScoresTest, FiguresThatMeanNothingAreMissing) {
  EXPECT_EQ(Scores(Task::kValues, 1).Get(), Figures());
  Scores values(Task::kValues, 1);
  values.Add(std::vector<float>{2, 2}, std::vector<float>{1, 2});
  EXPECT_EQ(values.Get().Find(kR2), std::nullopt);
  Scores classes(Task::kTwoClasses, 1);
  classes.Add(std::vector<float>{1, 1}, std::vector<float>{.25f, .5f});
  EXPECT_EQ(classes.Get().Find(kAuc), std::nullopt);
}

TEST(ScoresTest, APredictionThatIsNoNumberMakesNoFigureGood) {
  Scores classes(Task::kTwoClasses, 1);
  classes.Add(std::vector<float>{1, 0}, std::vector<float>{kNan, .25f});
  EXPECT_TRUE(std::isnan(*classes.Get().Find(kLogLoss)));
  EXPECT_EQ(classes.Get().Find(kAuc), std::nullopt);
  EXPECT_EQ(classes.Get().Find(kCalibrationError), std::nullopt);
  EXPECT_THAT(classes.Get().calibration, IsEmpty());
  Scores values(Task::kValues, 1);
  values.Add(std::vector<float>{1, 0}, std::vector<float>{kNan, 0});
  EXPECT_TRUE(std::isnan(*values.Get().Find(kRmse)));
}

TEST(AucTest, TiesCountHalf) {
  Auc auc;
  auc.Add(.5f, true);
  auc.Add(.5f, false);
  auc.Add(.25f, false);
  EXPECT_THAT(auc.Value(), IsNear(.75));
}

// A worst case for bins of equal width: all that matters lies close to 0 or 1.
TEST(AucTest, MinusZeroIsInTheBinOfZero) {
  Auc binned(/*most_exact=*/1);
  binned.Add(0.0f, true);
  binned.Add(-0.0f, false);
  EXPECT_EQ(binned.Value(), 0.5);
}

TEST(AucTest, BeyondTheExactCountBinsAreNarrowNearBothEnds) {
  Auc exact, binned(/*most_exact=*/10);
  const auto add = [&](float probability, bool positive) {
    exact.Add(probability, positive);
    binned.Add(probability, positive);
  };
  for (int i = 1; i <= 3000; ++i) {
    const float small = std::ldexp(static_cast<float>(i), -26);
    add(small, i * 7 % 10 < i / 500);
    add(1 - small * 4, i * 7 % 10 < 9 - i / 500);
  }
  ASSERT_TRUE(exact.Value().has_value());
  EXPECT_THAT(binned.Value(), Optional(DoubleNear(*exact.Value(), 5e-4)));
  EXPECT_NE(binned.Value(), exact.Value());
}

TEST(FiguresTest, EachTaskHasFiguresOfItsOwn) {
  ASSERT_NE(FindFigureKind("auc"), nullptr);
  EXPECT_TRUE(FindFigureKind("auc")->Suits(Task::kTwoClasses));
  EXPECT_FALSE(FindFigureKind("auc")->Suits(Task::kClasses));
  EXPECT_TRUE(FindFigureKind("r2")->Suits(Task::kValues));
  EXPECT_EQ(FindFigureKind("baseline_rmse"), nullptr);
}

}  // namespace
}  // namespace ebb
