#include "algorithms/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace ebb {
namespace {

using ::testing::HasSubstr;

TEST(BatchPositionTest, IsTheMiddleOfTheBatchInEpochs) {
  EXPECT_EQ(BatchPosition(0, 0, 100, 1000), 0.05);
  EXPECT_EQ(BatchPosition(2, 200, 300, 1000), 2.25);
  EXPECT_EQ(BatchPosition(1, 0, 1000, 1000), 1.5);
}

TEST(LearningRateTest, ConstantStaysTheSame) {
  const LearningRate rate(0.1, {}, 8);
  EXPECT_EQ(rate.At(0), 0.1);
  EXPECT_EQ(rate.At(7.9), 0.1);
}

TEST(LearningRateTest, StepFallsAtEachMultiple) {
  const LearningRate rate(
      1.0, {.kind = RateKind::kStep, .step_epochs = 3, .factor = 0.5}, 8);
  EXPECT_EQ(rate.At(0), 1.0);
  EXPECT_EQ(rate.At(2.999), 1.0);
  EXPECT_EQ(rate.At(3), 0.5);
  EXPECT_EQ(rate.At(5.999), 0.5);
  EXPECT_EQ(rate.At(6), 0.25);
}

TEST(LearningRateTest, StepTakesFractionsOfAnEpoch) {
  const LearningRate rate(
      1.0, {.kind = RateKind::kStep, .step_epochs = 0.1, .factor = 0.5}, 8);
  EXPECT_EQ(rate.At(0.2), 0.25);
  EXPECT_EQ(rate.At(0.3), 0.125);
}

TEST(LearningRateTest, CosineGoesFromTheRateToItsFinalShare) {
  const LearningRate rate(2.0, {.kind = RateKind::kCosine, .final_share = 0.2},
                          6);
  EXPECT_DOUBLE_EQ(rate.At(0), 2.0);
  EXPECT_DOUBLE_EQ(rate.At(2), 1.6);  // cos(pi / 3) = 0.5
  EXPECT_DOUBLE_EQ(rate.At(3), 1.2);
  EXPECT_DOUBLE_EQ(rate.At(6), 0.4);
  EXPECT_DOUBLE_EQ(rate.At(9), 0.4);
}

TEST(LearningRateTest, WarmUpGrowsLinearlyToTheFullRate) {
  const LearningRate rate(1.0, {.warm_up_epochs = 2}, 8);
  EXPECT_DOUBLE_EQ(rate.At(0), 0.0);
  EXPECT_DOUBLE_EQ(rate.At(0.5), 0.25);
  EXPECT_DOUBLE_EQ(rate.At(2), 1.0);
  EXPECT_DOUBLE_EQ(rate.At(5), 1.0);
}

TEST(LearningRateTest, WarmUpMultipliesTheOtherSchedules) {
  const LearningRate step(1.0,
                          {.kind = RateKind::kStep,
                           .step_epochs = 1,
                           .factor = 0.5,
                           .warm_up_epochs = 4},
                          8);
  EXPECT_DOUBLE_EQ(step.At(1), 0.5 * 0.25);
  const LearningRate cosine(
      1.0, {.kind = RateKind::kCosine, .warm_up_epochs = 4}, 6);
  EXPECT_DOUBLE_EQ(cosine.At(2), 0.75 * 0.5);
}

TEST(LearningRateTest, ATableGoesEvenlyBetweenItsPositions) {
  const LearningRate rate(2.0,
                          {.kind = RateKind::kTable,
                           .at = {1, 3, 3, 4},
                           .factors = {0, 1, 0.5, 0.1}},
                          8);
  EXPECT_DOUBLE_EQ(rate.At(0), 0.0);
  EXPECT_DOUBLE_EQ(rate.At(1), 0.0);
  EXPECT_DOUBLE_EQ(rate.At(1.5), 0.5);
  EXPECT_DOUBLE_EQ(rate.At(3), 1.0);  // It jumps.
  EXPECT_DOUBLE_EQ(rate.At(3.5), 0.6);
  EXPECT_DOUBLE_EQ(rate.At(4), 0.2);
  EXPECT_DOUBLE_EQ(rate.At(7), 0.2);
}

TEST(LearningRateTest, NoBatchOfAJobHasARateOfZero) {
  const LearningRate rate(
      1.0, {.kind = RateKind::kCosine, .warm_up_epochs = 0.5}, 1);
  EXPECT_GT(rate.At(BatchPosition(0, 0, 100, 1000)), 0.0);
  EXPECT_GT(rate.At(BatchPosition(0, 900, 1000, 1000)), 0.0);
}

std::string Message(const RateSchedule& schedule) {
  const absl::Status status = schedule.Validate();
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
  return std::string(status.message());
}

TEST(RateScheduleTest, DefaultsAreValidForEveryKind) {
  for (RateKind kind :
       {RateKind::kConstant, RateKind::kStep, RateKind::kCosine}) {
    EXPECT_EQ(Message({.kind = kind}), "");
    EXPECT_EQ(*ParseRateKind(RateKindName(kind)), kind);
  }
}

TEST(RateScheduleTest, NamesFieldValueAndWhatWouldBeRight) {
  EXPECT_EQ(Message({.kind = RateKind::kStep, .step_epochs = 0}),
            "schedule.step_epochs is 0; it must be a number of epochs above 0");
  EXPECT_EQ(Message({.kind = RateKind::kStep, .factor = 1.5}),
            "schedule.factor is 1.5; it must be above 0 and at most 1");
  EXPECT_EQ(Message({.kind = RateKind::kCosine, .final_share = 2}),
            "schedule.final_share is 2; it must be from 0 to 1");
  EXPECT_EQ(Message({.warm_up_epochs = -1}),
            "schedule.warm_up_epochs is -1; it must be a number of epochs of "
            "at least 0");
  EXPECT_THAT(Message({.warm_up_epochs = std::nan("")}),
              HasSubstr("warm_up_epochs is nan"));
}

TEST(RateScheduleTest, ATableAscendsAndHasAFactorForEachPosition) {
  const auto message = [](std::vector<double> at, std::vector<double> factors) {
    return Message({.kind = RateKind::kTable,
                    .at = std::move(at),
                    .factors = std::move(factors)});
  };
  EXPECT_EQ(message({0, 1, 1}, {1, 1, 0}), "");
  EXPECT_THAT(message({}, {}), HasSubstr("of 0 positions"));
  EXPECT_THAT(message(std::vector<double>(4097), std::vector<double>(4097)),
              HasSubstr("1 to 4096 positions"));
  EXPECT_THAT(message({0, 1}, {1}), HasSubstr("of 1 numbers"));
  EXPECT_THAT(message({1, 0.5}, {1, 1}), HasSubstr("schedule.at is 0.5"));
  EXPECT_THAT(message({0, std::nan("")}, {1, 1}), HasSubstr("is nan"));
  EXPECT_THAT(message({0, 1}, {1, -1}), HasSubstr("schedule.factors is -1"));
}

TEST(RateScheduleTest, AnUnknownKindIsAnsweredWithTheKnownOnes) {
  EXPECT_EQ(std::string(ParseRateKind("cosinus").status().message()),
            "schedule.kind is 'cosinus'; it must be one of constant, step, "
            "cosine, table");
}

TEST(BatchScheduleTest, IsConstantByDefault) {
  const BatchSchedule batch = {.initial = 5000};
  EXPECT_TRUE(batch.Validate().ok());
  EXPECT_EQ(batch.At(0), 5000);
  EXPECT_EQ(batch.At(2'000'000'000), 5000);
}

TEST(BatchScheduleTest, GrowsEverySoManyEpochsUpToTheBound) {
  const BatchSchedule batch = {
      .initial = 100, .factor = 2, .every = 3, .max = 500};
  EXPECT_EQ(batch.At(0), 100);
  EXPECT_EQ(batch.At(2), 100);
  EXPECT_EQ(batch.At(3), 200);
  EXPECT_EQ(batch.At(6), 400);
  EXPECT_EQ(batch.At(9), 500);
  EXPECT_EQ(batch.At(2'000'000'000), 500);
}

TEST(BatchScheduleTest, RoundsDownWithoutLosingWhatWasCutOff) {
  const BatchSchedule batch = {.initial = 1, .factor = 1.5, .every = 1};
  EXPECT_EQ(batch.At(1), 1);  // 1.5
  EXPECT_EQ(batch.At(2), 2);  // 2.25
  EXPECT_EQ(batch.At(3), 3);  // 3.375
  EXPECT_EQ(batch.At(5), 7);  // 7.59375
}

TEST(BatchScheduleTest, RefusesWhatCannotWork) {
  const auto message = [](const BatchSchedule& batch) {
    return std::string(batch.Validate().message());
  };
  EXPECT_EQ(message({.initial = 0}), "batch is 0; it must be at least 1");
  EXPECT_THAT(message({.factor = 0.5}), HasSubstr("factor is 0.5"));
  EXPECT_THAT(message({.factor = 2, .every = 0}), HasSubstr("every is 0"));
  EXPECT_EQ(message({.initial = 10, .factor = 2, .max = 9}),
            "batch_growth.max is 9; it must be at least the first size, 10");
}

}  // namespace
}  // namespace ebb
