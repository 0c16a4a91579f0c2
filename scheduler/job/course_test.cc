#include "scheduler/job/course.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ebb/v1/job.pb.h"
#include "gtest/gtest.h"

namespace ebb::scheduler {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Evaluation Of(int32_t epoch, double loss, double auc = 0.5) {
  Evaluation evaluation{.epoch = epoch, .loss = loss, .accuracy = -1};
  evaluation.figures.named = {{"auc", auc}};
  return evaluation;
}

TEST(CourseTest, TheBestIsTheLowestLossAndTheHighestAuc) {
  const std::vector<Evaluation> evaluations = {Of(0, 3, 0.6), Of(1, 1, 0.7),
                                               Of(2, 2, 0.9), Of(3, 2, 0.8)};
  const Course loss = CourseOf(evaluations, {"loss", 0});
  ASSERT_NE(loss.best, nullptr);
  EXPECT_EQ(loss.best->epoch, 1);
  EXPECT_EQ(loss.since, 2);
  const Course auc = CourseOf(evaluations, {"auc", 0});
  ASSERT_NE(auc.best, nullptr);
  EXPECT_EQ(auc.best->epoch, 2);
  EXPECT_EQ(auc.since, 1);
}

TEST(CourseTest, AnEqualOneIsNotBetterAndTheFirstOfEqualsStays) {
  const std::vector<Evaluation> evaluations = {Of(0, 1), Of(1, 1), Of(2, 1)};
  const Course course = CourseOf(evaluations, {"loss", 0});
  EXPECT_EQ(course.best->epoch, 0);
  EXPECT_EQ(course.since, 2);
}

TEST(CourseTest, BetterByNoMoreThanMinDeltaDoesNotCount) {
  const std::vector<Evaluation> evaluations = {Of(0, 3), Of(1, 2.5),
                                               Of(2, 2.25), Of(3, 1.5)};
  EXPECT_EQ(CourseOf(evaluations, {"loss", 1}).best->epoch, 3);
  EXPECT_EQ(
      CourseOf({evaluations[0], evaluations[1], evaluations[2]}, {"loss", 1})
          .since,
      2);
}

TEST(CourseTest, NanAndInfinityAreNeverTheBestAndCountAsNotBetter) {
  const std::vector<Evaluation> evaluations = {
      Of(0, kNan), Of(1, -std::numeric_limits<double>::infinity()), Of(2, 5),
      Of(3, kNan)};
  const Course course = CourseOf(evaluations, {"loss", 0});
  ASSERT_NE(course.best, nullptr);
  EXPECT_EQ(course.best->epoch, 2);
  EXPECT_EQ(course.since, 1);
  const Course none = CourseOf({Of(0, kNan), Of(1, kNan)}, {"loss"});
  EXPECT_EQ(none.best, nullptr);
  EXPECT_EQ(none.since, 2);
  EXPECT_EQ(none.without, 2);
  EXPECT_EQ(course.without, 1);
}

TEST(CourseTest, AnEvaluationThatFailedIsNone) {
  Evaluation failed = Of(1, 0);
  failed.error = "no worker could evaluate it";
  const std::vector<Evaluation> evaluations = {Of(0, 2), failed, Of(2, 3)};
  const Course course = CourseOf(evaluations, {"loss", 0});
  EXPECT_EQ(course.best->epoch, 0);
  EXPECT_EQ(course.since, 1);
}

TEST(CourseTest, TheAccuracyOfAnOlderWorkerIsKnownToo) {
  Evaluation one{.loss = 1, .accuracy = 0.75};
  EXPECT_EQ(FigureOf(one, "accuracy"), 0.75);
  EXPECT_EQ(FigureOf(one, "auc"), std::nullopt);
  EXPECT_FALSE(IsBetter({"auc"}, one, nullptr));
}

// Each figure of `expect` has its direction.
TEST(CourseTest, OfEachFigureIsKnownWhichIsBetter) {
  const google::protobuf::Descriptor& figures = *v1::Expect::descriptor();
  for (int i = 0; i < figures.field_count(); ++i) {
    const std::string name = figures.field(i)->name();
    const bool lower = name == "loss" || name == "log_loss" || name == "rmse" ||
                       name == "mae" || name == "perplexity" ||
                       name == "calibration_error";
    EXPECT_EQ(Yardstick{name}.LowerIsBetter(), lower) << name;
    Evaluation small{.loss = 1, .accuracy = -1};
    Evaluation large{.loss = 2, .accuracy = -1};
    small.figures.named = {{name, 1}};
    large.figures.named = {{name, 2}};
    EXPECT_EQ(IsBetter({name}, small, &large), lower) << name;
    EXPECT_EQ(IsBetter({name}, large, &small), !lower) << name;
  }
}

// A program's own figure goes by its name, unless the job says how.
TEST(CourseTest, AFigureOfAProgramIsBetterAsItsNameOrTheJobSays) {
  const std::vector<Evaluation> evaluations = {Of(0, 1, 0.4), Of(1, 1, 0.6)};
  EXPECT_FALSE(Yardstick{"reward"}.LowerIsBetter());
  EXPECT_TRUE(Yardstick{"val_mse"}.LowerIsBetter());
  EXPECT_EQ(CourseOf(evaluations, {"auc", 0, false}).best->epoch, 0);
  job::TrainingFacts facts;
  facts.stop = job::StopRule{.figure = "cost", .larger_is_better = false};
  EXPECT_TRUE(YardstickOf(facts, "cost").LowerIsBetter());
  EXPECT_FALSE(YardstickOf(facts, "reward").LowerIsBetter());
}

TEST(CourseTest, AFigureIsReachedFromTheSideThatIsWorse) {
  EXPECT_TRUE(Reaches({"auc"}, Of(0, 1, 0.75), 0.75));
  EXPECT_FALSE(Reaches({"auc"}, Of(0, 1, 0.5), 0.75));
  EXPECT_TRUE(Reaches({"loss"}, Of(0, 0.5), 0.5));
  EXPECT_FALSE(Reaches({"loss"}, Of(0, 0.75), 0.5));
  EXPECT_FALSE(Reaches({"loss"}, Of(0, kNan), 0.5));
}

}  // namespace
}  // namespace ebb::scheduler
