#include "bench/algorithms/algorithms_page.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

AlgorithmFigures RunOf(const std::string& algorithm, int workers,
                       double accuracy, double waited) {
  return {.data = "fashion",
          .algorithm = algorithm,
          .workers = workers,
          .machine = "a machine",
          .commit = "abc",
          .measured = "today",
          .seconds = 20,
          .took_seconds = 25,
          .examples = 6000,
          .bytes = 7'000'000,
          .worker_seconds = 100,
          .waited_seconds = waited,
          .accuracy = accuracy,
          .test_loss = 0.5,
          .staleness = 3.5,
          .staleness_p99 = 9,
          .curve = {{1, 1000, 2}, {2, 2000, 0.9}, {4, 5000, 0.6}}};
}

AlgorithmsPageOptions OptionsOf() {
  AlgorithmsPageOptions options;
  options.jobs = {{"fashion", "Some job", 0.7}};
  options.how = "With care.";
  return options;
}

const KnownEffect* Find(const std::vector<KnownEffect>& effects,
                        const std::string& part) {
  for (const KnownEffect& effect : effects) {
    if (effect.name.find(part) != std::string::npos) return &effect;
  }
  return nullptr;
}

TEST(AlgorithmFiguresTest, AreReadAsTheyWereWritten) {
  AlgorithmFigures figures = RunOf("adag", 8, 0.75, 12);
  figures.churn = true;
  figures.period = 16;
  figures.settings = "a=\"b\"";
  figures.doubled = 2;
  figures.test_loss.reset();
  figures.failure = "it went astray";
  figures.disturbance = "market";
  figures.seed = 3;
  figures.score = 0.25;
  figures.at_once = 16;
  const auto read = ReadAlgorithmFigures(FiguresJson(figures));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FiguresJson(*read), FiguresJson(figures));
  EXPECT_TRUE(read->churn);
  EXPECT_EQ(read->seed, 3);
  EXPECT_EQ(read->score, 0.25);
  EXPECT_FALSE(read->test_loss);
  EXPECT_EQ(read->curve.size(), 3);
  EXPECT_FALSE(ReadAlgorithmFigures("{}").ok());
  EXPECT_FALSE(ReadAlgorithmFigures("[").ok());
}

TEST(AlgorithmFiguresTest, SaysWhenALossWasReachedFirst) {
  const AlgorithmFigures figures = RunOf("asp", 8, 0.8, 1);
  ASSERT_TRUE(figures.Reached(0.9));
  EXPECT_EQ(figures.Reached(0.9)->examples, 2000);
  EXPECT_EQ(figures.Reached(0.7)->seconds, 4);
  EXPECT_FALSE(figures.Reached(0.5));
}

TEST(AlgorithmFiguresTest, KnowTheirLossAndTheirSpeed) {
  AlgorithmFigures figures = RunOf("asp", 8, 0.8, 1);
  EXPECT_EQ(figures.LossAt(0.3), 0.9);
  EXPECT_EQ(figures.Rate(0.1, 1), 4000 / 3.0);
  EXPECT_EQ(figures.Rate(0.9, 1), std::nullopt);
  figures.curve.clear();
  EXPECT_EQ(figures.LossAt(0.5), std::nullopt);
}

TEST(AlgorithmsPageTest, HasEachRunAndItsCharts) {
  std::vector<AlgorithmFigures> all = {
      RunOf("asp", 8, 0.8, 1), RunOf("dynsgd", 8, 0.7, 2),
      RunOf("asp", 1, 0.8, 1), RunOf("asp", 8, 0.75, 3)};
  all[3].churn = true;
  all[3].restarts = 8;
  const auto options = OptionsOf();
  const auto images = AlgorithmsImages(all, options);
  std::vector<std::string> files;
  for (const PageImage& image : images) files.push_back(image.file);
  for (const char* file : {"algorithms-fashion-steps-time.svg",
                           "algorithms-fashion-steps-examples.svg",
                           "algorithms-fashion-steps-speedup.svg",
                           "algorithms-fashion-waiting.svg"}) {
    EXPECT_THAT(files, Contains(file));
  }
  const std::string page = AlgorithmsPage(all, images, options);
  EXPECT_THAT(
      page,
      AllOf(HasSubstr("With care."), HasSubstr("commit abc; 4 runs"),
            HasSubstr("0 examples missing, 0 doubled; 8 restarts"),
            HasSubstr("### 8 workers, under churn"),
            HasSubstr("| asp | 4.0 | 5,000 | 20.0 | 7 | 1.0 | 1 % | 0.800 | "
                      "0.500 | 3.5 | 9 |"),
            HasSubstr("![Loss by seconds: Some job"),
            HasSubstr("### Seconds to the target, by workers"),
            Not(HasSubstr("did not end as it should"))));
}

TEST(AlgorithmsPageTest, NamesRunsThatWentAstray) {
  std::vector<AlgorithmFigures> all = {RunOf("asp", 16, 0.1, 1)};
  all[0].failure = "a gradient is not finite";
  all[0].curve.clear();
  EXPECT_THAT(AlgorithmsPage(all, {}, OptionsOf()),
              HasSubstr("- asp, 16 workers: a gradient is not finite"));
}

TEST(KnownEffectsTest, AreSeenOrNotOrNotTold) {
  const auto options = OptionsOf();
  std::vector<AlgorithmFigures> all = {
      RunOf("asp", 8, 0.8, 1),      RunOf("ssp", 8, 0.8, 10),
      RunOf("bsp", 8, 0.8, 5),      RunOf("asp", 1, 0.8, 1),
      RunOf("asp", 16, 0.5, 1),     RunOf("dynsgd", 1, 0.8, 1),
      RunOf("dynsgd", 16, 0.78, 1), RunOf("adag", 1, 0.8, 1),
      RunOf("adag", 16, 0.5, 1)};
  for (const char* algorithm : {"rounds", "rounds+backup"}) {
    all.push_back(RunOf(algorithm, 16, 0.8, 1));
    all.back().seconds = algorithm == std::string("rounds") ? 20 : 12;
  }
  const auto effects = KnownEffects(all, options);
  const auto* dynsgd = Find(effects, "dynsgd does less");
  ASSERT_NE(dynsgd, nullptr);
  EXPECT_TRUE(dynsgd->seen);
  EXPECT_THAT(dynsgd->found, HasSubstr("asp from 0.800 to 0.500"));
  EXPECT_FALSE(Find(effects, "adag does less (Hermans")->seen);
  // More waiting with a bound than without any.
  EXPECT_FALSE(Find(effects, "SSP waits more")->seen);
  EXPECT_EQ(Find(effects, "Backup tasks")->found, "");
  EXPECT_TRUE(Find(effects, "slow workers, 16 workers")->seen);
  EXPECT_THAT(AlgorithmsPage(all, {}, options),
              AllOf(HasSubstr("| **not seen** |"),
                    HasSubstr("these runs do not tell")));
}

}  // namespace
}  // namespace ebb::tools
