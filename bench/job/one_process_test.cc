#include "bench/job/one_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "common/testing/test_folder.h"
#include "tools/ebb/job/submission.h"

namespace ebb::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

class OneProcessTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::string path = folder_ / name;
    std::ofstream(path) << text;
    return path;
  }

  JobRecord Prepare(const std::string& job) {
    const auto prepared = tools::PrepareJob({.file = Write("job.yaml", job)});
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared->record;
  }

  const TestFolder folder_;
};

// y = 2 x from (0, 0): loss (w x + b - y)^2 / 2, gradient (e x, e). The steps,
// at a rate of 0.5, of batches of one whose order does not matter, as all
// examples are alike: e = -2, so w = b = 1; then e = 0, and nothing moves.
TEST_F(OneProcessTest, StepsAfterEachBatch) {
  const std::string data = Write("a.csv", "1,2\n1,2\n1,2\n");
  const JobRecord record = Prepare(
      "model: {kind: linear, l2: 0}\n"
      "data: {train: {csv: {path: \"" +
      data +
      "\", header: false}}, "
      "standardise: false, standardise_labels: false}\n"
      "train: {epochs: 2, batch: 1}\n"
      "optimizer: {kind: sgd, rate: 0.5}\n");
  const auto run = TrainInOneProcess(record, nullptr);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->examples, 6);
  EXPECT_GT(run->seconds, 0);
  EXPECT_EQ(run->accuracy, -1);
  EXPECT_EQ(run->loss, 0);
  EXPECT_THAT(run->weights, ElementsAre(FloatEq(1), FloatEq(1)));
}

TEST_F(OneProcessTest, LearnsAndIsTestedOnTheTestData) {
  std::string rows;
  for (int i = 0; i < 200; ++i) {
    rows += std::to_string(i % 2 * 3 + i % 5 * 0.1) + "," +
            std::to_string(i % 2) + "\n";
  }
  const std::string train = Write("train.csv", rows);
  const JobRecord record = Prepare(
      "model: softmax\n"
      "data: {train: {csv: \"" +
      train + "\"}, test: {csv: \"" + train +
      "\"}}\n"
      "train: {epochs: 20, batch: 10}\n"
      "optimizer: {kind: adam, rate: 0.1}\n");
  const auto run = TrainInOneProcess(record, nullptr);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->accuracy, 1);
  EXPECT_EQ(run->examples, 4000);
}

TEST_F(OneProcessTest, RefusesRoundsAndStops) {
  const std::string data = Write("a.csv", "1,2\n2,4\n");
  const std::string job =
      "model: linear\n"
      "data: {train: {csv: \"" +
      data +
      "\"}}\n"
      "train: {epochs: 2, batch: 1, item_examples: 1}\n";
  const auto rounds = TrainInOneProcess(
      Prepare(job + "consistency: {kind: rounds, examples: 1}\n"), nullptr);
  EXPECT_THAT(std::string(rounds.status().message()), HasSubstr("rounds"));
  const auto stopped = TrainInOneProcess(Prepare(job), [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
}

}  // namespace
}  // namespace ebb::bench
