#include "common/job/training.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/job/validate.h"
#include "common/job/yaml.h"
#include "gtest/gtest.h"

namespace ebb::job {
namespace {

// With its defaults.
v1::Job JobOf(const std::string& lines) {
  JobFile file = ReadJob(
      absl::StrCat("model: softmax\ndata: {train: {csv: a.csv}}\n", lines),
      "job.yaml");
  EXPECT_TRUE(file.ok()) << ToString(file.mistakes);
  FillDefaults(&file.job);
  return file.job;
}

double LocalRate(const std::string& lines, double position = 0) {
  const auto rate = LocalRateOf(JobOf(lines), 4);
  EXPECT_TRUE(rate.ok()) << rate.status();
  return rate.ok() ? rate->At(position) : -1;
}

TEST(TrainingTest, WorkersStepAtTheOptimizersRateUnlessTheAlgorithmHasOne) {
  EXPECT_EQ(LocalRate("algorithm: adag\noptimizer: {rate: 0.5}\n"), 0.5);
  EXPECT_EQ(LocalRate("algorithm: {kind: adag, local_rate: 0}\n"), 0);
  EXPECT_EQ(LocalRate("algorithm: {kind: adag, local_rate: 3}\n"
                      "optimizer: {rate: 1, schedule: {kind: step, "
                      "step_epochs: 1, factor: 0.5}}\n",
                      1.5),
            1.5);
}

TEST(TrainingTest, SomeAlgorithmsHaveARuleOfTheServersOfTheirOwn) {
  const auto kind = [](const std::string& lines) {
    return JobOf(lines).optimizer().kind();
  };
  EXPECT_EQ(kind(""), v1::Optimizer::KIND_ADAM);
  EXPECT_EQ(kind("algorithm: downpour\n"), v1::Optimizer::KIND_ADAGRAD);
  EXPECT_EQ(kind("algorithm: adag\n"), v1::Optimizer::KIND_SGD);
  EXPECT_EQ(kind("algorithm: adag\noptimizer: adam\n"),
            v1::Optimizer::KIND_ADAM);
}

TEST(TrainingTest, AJobOfBeforeThereWereAlgorithmsIsGradientDescent) {
  const auto algorithm = AlgorithmOf(v1::Job());
  ASSERT_TRUE(algorithm.ok()) << algorithm.status();
  EXPECT_EQ((*algorithm)->Plan(), AlgorithmPlan());
  EXPECT_EQ((*algorithm)->RateFactor(5), 1);
}

}  // namespace
}  // namespace ebb::job
