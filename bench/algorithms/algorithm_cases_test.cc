#include "bench/algorithms/algorithm_cases.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

TEST(AlgorithmCasesTest, EachRunHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const AlgorithmCase& one : AlgorithmCases({})) {
    EXPECT_TRUE(names.insert(one.Name()).second) << one.Name();
  }
  EXPECT_THAT(names, Contains("fashion-asp-1"));
  EXPECT_THAT(names, Contains("fashion-eamsgd-16"));
  EXPECT_THAT(names, Contains("fashion-local_sgd-8-churn"));
  EXPECT_THAT(names, Contains("fashion-aeasgd-8-every-64"));
  EXPECT_THAT(names, Contains("clicks-dynsgd-2"));
  EXPECT_THAT(names, Contains("clicks-adag-16"));
  EXPECT_THAT(names, Contains("clicks-geo-8-churn"));
  // Rows have no rounds.
  EXPECT_THAT(names, Not(Contains("clicks-rounds-8")));
  EXPECT_THAT(names, Not(Contains("clicks-aeasgd-8")));
}

TEST(AlgorithmCasesTest, DisturbsTheRunsOfEightWorkers) {
  EXPECT_EQ(ComparedWorkers({}), 8);
  EXPECT_EQ(ComparedWorkers({.workers = {1, 4}}), 4);
  for (const AlgorithmCase& one : AlgorithmCases({.workers = {2, 3}})) {
    EXPECT_TRUE(!one.churn || one.workers == 3) << one.Name();
  }
}

// With few items one met three kills, and its job was paused.
TEST(AlgorithmCasesTest, WhoIsKilledOnPurposeIsNoPoison) {
  for (const AlgorithmCase& one : AlgorithmCases({.workers = {8}})) {
    if (!one.churn) continue;
    EXPECT_THAT(one.settings, Contains("quarantine_after=100")) << one.Name();
  }
}

TEST(AlgorithmCasesTest, RoundsGrowWithTheWorkersAndOneHasNoBackupTasks) {
  int found = 0;
  for (const AlgorithmCase& one :
       AlgorithmCases({.workers = {8}, .batch = 32, .rate = 0.25})) {
    if (one.algorithm != "rounds" && one.algorithm != "rounds+backup") continue;
    EXPECT_EQ(one.backup_tasks, one.algorithm == "rounds+backup");
    EXPECT_THAT(one.settings, Contains("consistency.examples=512"));
    EXPECT_THAT(one.settings, Contains("optimizer.rate=1"));
    ++found;
  }
  EXPECT_EQ(found, 4);  // Each also under churn.
}

TEST(AlgorithmCasesTest, OneWorkerOfEightIsSlow) {
  std::vector<int> slow;
  for (int worker = 0; worker < 16; ++worker) {
    if (SlownessOf(worker) > 1) slow.push_back(worker);
  }
  EXPECT_THAT(slow, ElementsAre(7, 15));
}

}  // namespace
}  // namespace ebb::tools
