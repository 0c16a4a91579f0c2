#include "bench/algorithms/workers_page.h"

#include <cmath>
#include <string>
#include <vector>

#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_images.h"
#include "bench/algorithms/workers_requirements.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

AlgorithmFigures RunWith(int workers, double score,
                         const std::string& disturbance = kQuiet) {
  return {.data = "fashion-softmax",
          .algorithm = kDefaultVariant,
          .workers = workers,
          .disturbance = disturbance,
          .seed = 1,
          .at_once = 16,
          .machine = "a machine",
          .build = "Release",
          .commit = "abc",
          .examples = 4000,
          .worker_seconds = 100,
          .waited_seconds = 10,
          .score = score,
          .staleness = 3.5,
          .curve = {{1, 1000, 2}, {2, 2000, 0.9}, {4, 4000, 0.6}}};
}

const WorkersRequirement* FindIn(const std::vector<WorkersRequirement>& all,
                                 const std::string& part) {
  for (const WorkersRequirement& one : all) {
    if (one.name.find(part) != std::string::npos) return &one;
  }
  return nullptr;
}

TEST(WorkersRequirementsTest, CompareTheMeanOfTheSeedsWithOneWorker) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.850), RunWith(16, 0.852),
                                       RunWith(16, 0.840), RunWith(64, 0.843),
                                       RunWith(16, 0.849, kKills)};
  all[2].seed = 2;
  auto found = WorkersRequirements(all);
  const auto* few =
      FindIn(found, "up to 16 workers (16; quiet, kills) at most 0.5");
  ASSERT_NE(few, nullptr);
  EXPECT_TRUE(few->met);
  EXPECT_EQ(few->found, "+0.40 with 16 workers, quiet");
  const auto* any =
      FindIn(found, "any number of workers (16, 64; quiet, kills) at most 1");
  ASSERT_NE(any, nullptr);
  EXPECT_TRUE(any->met);
  EXPECT_EQ(any->found, "+0.70 with 64 workers, quiet");

  all.push_back(RunWith(4, 0.83, kMarket));
  found = WorkersRequirements(all);
  EXPECT_TRUE(FindIn(found, "up to 16")->met);
  const auto* disturbed =
      FindIn(found, "any number of workers (16, 64; quiet, kills, market) at");
  ASSERT_NE(disturbed, nullptr);
  EXPECT_FALSE(disturbed->met);
  EXPECT_EQ(disturbed->found, "+2.00 with market");
}

// Bug: without kills and markets the row spoke of "any churn" all the same.
TEST(WorkersRequirementsTest, NameOnlyWhatWasRun) {
  auto found = WorkersRequirements({RunWith(1, 0.850), RunWith(16, 0.852)});
  EXPECT_NE(FindIn(found, "up to 16 workers (16; quiet) at most"), nullptr);
  EXPECT_NE(FindIn(found, "any number of workers (16; quiet) at most"),
            nullptr);
  found = WorkersRequirements({RunWith(1, 0.850)});
  const auto* nothing = FindIn(found, "any number of workers at most");
  ASSERT_NE(nothing, nullptr);
  EXPECT_EQ(nothing->found, "");
}

TEST(WorkersRequirementsTest, ARunThatWentAstrayIsNotHidden) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.85), RunWith(16, 0.85)};
  all[1].score.reset();
  const auto found = WorkersRequirements(all);
  EXPECT_FALSE(FindIn(found, "up to 16")->met);
  EXPECT_EQ(FindIn(found, "up to 16")->found, "no result: 16 workers, quiet");
}

TEST(WorkersRequirementsTest, AScoreThatIsNotFiniteIsAstray) {
  for (const double score : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const auto found = WorkersRequirements(
        {RunWith(1, 0.85), RunWith(4, score), RunWith(16, 0.85)});
    EXPECT_FALSE(FindIn(found, "up to 16")->met);
    EXPECT_EQ(FindIn(found, "up to 16")->found, "no result: 4 workers, quiet");
  }
}

// One worker under kills says no word about other numbers of workers.
TEST(WorkersRequirementsTest, NeedMoreThanTheBase) {
  const auto found =
      WorkersRequirements({RunWith(1, 0.85), RunWith(1, 0.85, kKills)});
  EXPECT_EQ(FindIn(found, "up to 16")->found, "");
  EXPECT_EQ(FindIn(found, "any number")->found, "");
}

TEST(WorkersRequirementsTest, ExamplesThatAreMissingOrDoubledAreNotWithin) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.85), RunWith(64, 0.85)};
  all[1].missing = 1;
  all[1].doubled = 2;
  const auto found = WorkersRequirements(all);
  for (const char* row : {"any number", "examples to a given loss"}) {
    EXPECT_FALSE(FindIn(found, row)->met) << row;
    EXPECT_EQ(FindIn(found, row)->found,
              "3 missing or doubled: 64 workers, quiet");
  }
  EXPECT_THAT(WorkersText(all), HasSubstr("**not within**"));
}

TEST(WorkersRequirementsTest, LossesAndErrorsAreBetterWhenSmall) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.470), RunWith(16, 0.473),
                                       RunWith(1, 0.80), RunWith(16, 0.81)};
  all[0].data = all[1].data = "clicks-fm";
  all[2].data = all[3].data = "ratings";
  const auto found = WorkersRequirements(all);
  EXPECT_EQ(
      FindIn(found, "log loss with up to 16 workers (16; quiet) at most 0.0025")
          ->found,
      "+0.0030 with 16 workers, quiet");
  EXPECT_FALSE(FindIn(found, "log loss with up to")->met);
  EXPECT_TRUE(FindIn(found, "log loss with any number")->met);
  EXPECT_EQ(FindIn(found, "RMSE with any number")->found,
            "+1.25 with 16 workers, quiet");
  EXPECT_FALSE(FindIn(found, "RMSE with any number")->met);
}

TEST(WorkersRequirementsTest, CompareExamplesToTheLossHalfWay) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.85), RunWith(64, 0.85)};
  all[1].curve = {{1, 1000, 2}, {2, 2800, 0.9}};
  const auto requirements = WorkersRequirements(all);
  EXPECT_EQ(FindIn(requirements, "examples to a given loss")->found,
            "1.40 times");
  EXPECT_TRUE(FindIn(requirements, "examples to a given loss")->met);
  all[1].curve.pop_back();
  EXPECT_EQ(WorkersRequirements(all)[2].found, "never");
}

// A single low value among high ones is chance.
TEST(WorkersRequirementsTest, SmoothTheLossesBeforeTheyAreCompared) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.85), RunWith(64, 0.85)};
  all[1].curve = {{1, 1000, 2}, {2, 1050, 0.5}, {3, 1300, 1}, {4, 3200, 0.9}};
  EXPECT_EQ(WorkersRequirements(all)[2].found, "1.60 times");
  EXPECT_FALSE(WorkersRequirements(all)[2].met);
}

TEST(WorkersRequirementsTest, KnowThatOneOfEightIsSlow) {
  std::vector<AlgorithmFigures> all = {RunWith(1, 0.85), RunWith(64, 0.85)};
  for (AlgorithmFigures& one : all) one.algorithm = kSpeedVariant;
  // 64 workers are as fast as 58.67 that are not slow.
  all[0].curve = {{1, 1600, 1}, {2, 1700, 1}};
  all[1].curve = {{1, 1600, 1}, {1.1, 2100, 1}};
  const auto requirements = WorkersRequirements(all);
  const auto* speed = FindIn(requirements, "of the examples/s");
  ASSERT_NE(speed, nullptr);
  EXPECT_THAT(speed->found, HasSubstr(": 0.85;"));
  EXPECT_FALSE(speed->met);
  const auto* waiting = FindIn(requirements, "wait for less than 15 %");
  EXPECT_EQ(waiting->found, "10 %");
  EXPECT_TRUE(waiting->met);
}

TEST(WorkersPageTest, HasATableForEachJobAndItsCharts) {
  std::vector<AlgorithmFigures> all = {
      RunWith(1, 0.85),           RunWith(16, 0.843),
      RunWith(16, 0.849, kKills), RunWith(4, 0.849, kMarket),
      RunWith(16, 0.80),          RunWith(18, 0.847, "a-trace")};
  all[4].algorithm = "dynsgd";
  all.push_back(RunWith(1, 0.85));
  all.back().algorithm = "dynsgd";
  const auto images = WorkersImages(all);
  ASSERT_THAT(images, SizeIs(2));
  EXPECT_EQ(images[0].file, "algorithms-workers-fashion-softmax.svg");
  EXPECT_EQ(images[1].file, "algorithms-workers-fashion-softmax-variants.svg");
  const std::string section =
      WorkersSection(all, images, {.how = "With care."});
  EXPECT_THAT(
      section,
      AllOf(HasSubstr("## Workers\n"), HasSubstr("With care."),
            HasSubstr("Machine: a machine; build Release; commit abc; 7 runs"),
            HasSubstr("| workers | disturbed by | at a time | accuracy | worse "
                      "by, points | staleness | examples to the loss | within "
                      "|\n"),
            HasSubstr("| 1 | quiet | 16 | 0.8500 |  | 3.5 | 2,000 | within |"),
            HasSubstr("| 16 | quiet | 16 | 0.8430 | +0.70 | 3.5 | 2,000 | "
                      "**not within** |"),
            HasSubstr("| 16 | kills | 16 | 0.8490 | +0.10 | 3.5 |  | within |"),
            HasSubstr("| 4 to 64 to 4 | market | 16 | 0.8490 | +0.10 | 3.5 |  "
                      "| within |"),
            HasSubstr("| 18 at first | a-trace | 16 | 0.8470 | +0.30 | 3.5 |  "
                      "| within |"),
            HasSubstr("| dynsgd | 0.8500 | 0.8000 |"),
            HasSubstr("](images/algorithms-workers-fashion-softmax.svg)"),
            HasSubstr("these runs do not tell")));
  EXPECT_THAT(WorkersText(all), HasSubstr("NOT within: "));
}

TEST(WorkersPageTest, NamesRunsThatWentAstray) {
  std::vector<AlgorithmFigures> all = {RunWith(64, 0.1)};
  all[0].failure = "a gradient is not finite";
  EXPECT_THAT(WorkersSection(all, {}, {}),
              HasSubstr("- fashion-softmax, default, 64 workers, quiet: a "
                        "gradient is not finite"));
}

TEST(WorkersPageTest, APageHasTwoParts) {
  const PageParts parts = {"# Algorithms\n\ntext\n", "## Workers\n\nmore\n"};
  const PageParts split = SplitPage(JoinPage(parts));
  EXPECT_EQ(split.algorithms, parts.algorithms);
  EXPECT_EQ(split.workers, parts.workers);
  EXPECT_EQ(SplitPage(parts.algorithms).workers, "");
  EXPECT_THAT(JoinPage({"only\n", ""}), Not(HasSubstr("\n\n")));
}

}  // namespace
}  // namespace ebb::tools
