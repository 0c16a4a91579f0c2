// Jobs whose pushes are runs: their defaults, plans and rules.
#include "job/run_rules.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/traits.h"
#include "job/fit.h"
#include "job/job_change.h"
#include "job/specification.h"
#include "job/training.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::job {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kData[] = "model: softmax\ndata: {train: {csv: a.csv}}\n";

v1::Job Read(const std::string& lines) {
  const JobFile file = ReadJob(absl::StrCat(kData, lines), "job.yaml");
  EXPECT_TRUE(file.ok()) << ToString(file.mistakes);
  return file.job;
}

v1::Job Full(const std::string& lines, int64_t examples = 60'000) {
  v1::Job job = Read(lines);
  FillDefaults(&job);
  FitToData({.examples = examples, .features = 784, .classes = 10}, 7850, &job);
  return job;
}

JobRecord RecordOf(const std::string& lines, int64_t examples = 60'000) {
  JobFacts facts;
  facts.tables = {{"w", 7850, InitRule::Zeros()}};
  facts.examples = examples;
  const auto record = MakeJobRecord(Read(lines), facts);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() ? *record : JobRecord();
}

// All that is said of the job, each as "path: what; hint".
std::vector<std::string> SaidOf(const std::string& lines,
                                int64_t examples = 60'000) {
  DataFacts facts;
  facts.train =
      SourceFacts{.examples = examples, .features = 784, .classes = 10};
  facts.model_kinds = {"softmax", "program"};
  const JobFile file = ReadJob(absl::StrCat(kData, lines), "job.yaml");
  std::vector<std::string> said;
  for (const Mistake& mistake :
       ValidateJob(file.job, facts, file.sources, file.mistakes)) {
    said.push_back(
        absl::StrCat(mistake.path, ": ", mistake.what, "; ", mistake.hint));
  }
  return said;
}

TEST(RunRulesTest, ByItselfItMakesRoundsOfARunForEachWorker) {
  const v1::Job job =
      Full("algorithm: diloco\ntrain: {batch: 64}\nworkers: {max: 4}\n");
  EXPECT_EQ(job.consistency().kind(), v1::Consistency::KIND_ROUNDS);
  // An epoch has 938 batches: five rounds of 4 runs.
  EXPECT_EQ(job.algorithm().period(), 47);
  EXPECT_EQ(job.consistency().examples(), absl::StrCat(4 * 47 * 64));
  EXPECT_EQ(job.algorithm().inner().kind(), v1::Optimizer::KIND_ADAMW);
  EXPECT_EQ(job.algorithm().inner().weight_decay(), 0.01);
  EXPECT_GT(job.algorithm().inner().rate(), 0);
  EXPECT_EQ(job.algorithm().inner().schedule().kind(),
            v1::Schedule::KIND_COSINE);
  EXPECT_EQ(job.optimizer().kind(), v1::Optimizer::KIND_NESTEROV);
  EXPECT_EQ(job.optimizer().rate(), 1);
  EXPECT_EQ(job.optimizer().momentum(), 0.5);
  EXPECT_EQ(job.algorithm().run_warm_up(), 10);
  EXPECT_EQ(job.optimizer().schedule().kind(), v1::Schedule::KIND_CONSTANT);
}

TEST(RunRulesTest, InAspItHasNoMomentumAndServersGoAllTheWay) {
  const v1::Job job = Full("algorithm: diloco\nconsistency: asp\n");
  EXPECT_EQ(job.algorithm().momentum(), 0);
  EXPECT_EQ(job.algorithm().rate(), 1);
  EXPECT_EQ(job.optimizer().kind(), v1::Optimizer::KIND_SGD);
  EXPECT_EQ(job.optimizer().rate(), 1);
}

TEST(RunRulesTest, AJobWithItsDefaultsIsStillGood) {
  for (const char* lines :
       {"algorithm: diloco\n", "algorithm: diloco\nconsistency: asp\n",
        "algorithm: {kind: diloco, inner: sgd, momentum: 0}\n"
        "optimizer: {ema: 0.9}\nfilters: {push: int8, pull: bf16}\n"
        "on_poison: skip\non_nonfinite: skip\n"}) {
    EXPECT_THAT(SaidOf(lines), IsEmpty()) << lines;
    v1::Job job = Full(lines);
    job.clear_name();
    const std::vector<Mistake> again = ValidateJob(job, {}, SourceMap(), {});
    EXPECT_TRUE(again.empty()) << lines << again.front().path;
  }
}

TEST(RunRulesTest, InRoundsAnItemIsARun) {
  const JobPlan plan = RecordOf(
                           "algorithm: {kind: diloco, period: 20}\n"
                           "train: {batch: 64}\nworkers: {max: 4}\n")
                           .plan;
  EXPECT_EQ(plan.shard_size, 20 * 64);
  EXPECT_EQ(plan.consistency.round_items, 4);
  EXPECT_EQ(plan.algorithm, (AlgorithmPlan{.push_batches = 0,
                                           .pull_batches = 0,
                                           .worker_vectors = 4,
                                           .runs = true}));
  const JobPlan epoch =
      RecordOf(
          "algorithm: {kind: diloco, period: 20}\ntrain: {batch: 64}\n"
          "consistency: {kind: rounds, examples: epoch}\n")
          .plan;
  EXPECT_EQ(epoch.shard_size, 20 * 64);
  EXPECT_EQ(epoch.RoundExamples(0), 60'000);
}

TEST(RunRulesTest, InAspAnItemHasWholeRunsAndNoneGoesOnWithoutServers) {
  const JobPlan plan =
      RecordOf(
          "algorithm: {kind: diloco, period: 20, inner: sgd}\n"
          "consistency: asp\ntrain: {batch: 64}\nworkers: {max: 4}\n")
          .plan;
  EXPECT_EQ(plan.shard_size % (20 * 64), 0);
  EXPECT_EQ(plan.consistency.local_steps, 0);
  EXPECT_EQ(plan.algorithm, (AlgorithmPlan{.push_batches = 20,
                                           .pull_batches = 20,
                                           .worker_vectors = 2,
                                           .runs = true}));
  EXPECT_EQ(plan.ExamplesOfAStep({0, 0}), 20 * 64);
}

TEST(RunRulesTest, OlderDaemonsRefuseIt) {
  const auto read = ReadSpecification(RecordOf("algorithm: diloco\n"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->format(), 19u);
}

TEST(RunRulesTest, TheWorkersRateIsTheInnerOne) {
  const v1::Job job = Full(
      "train: {epochs: 4}\n"
      "algorithm: {kind: diloco, inner: {kind: sgd, rate: 0.5, schedule: "
      "{kind: step, step_epochs: 1, factor: 0.1}}}\n");
  const auto rate = LocalRateOf(job, 4);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_FLOAT_EQ(static_cast<float>(rate->At(0.5)), 0.5f);
  EXPECT_FLOAT_EQ(static_cast<float>(rate->At(1.5)), 0.05f);
  EXPECT_EQ(GradientRuleKey(job), "algorithm.inner");
  EXPECT_THAT(KeysThatMayChange(), Contains("algorithm.inner.rate"));
}

TEST(RunRulesTest, WhatWasMeantForWorkersIsNotTheServersRule) {
  EXPECT_THAT(
      SaidOf("algorithm: diloco\noptimizer: {kind: adamw, rate: 0.002}\n"),
      Contains(HasSubstr("optimizer.kind: with diloco workers step by "
                         "algorithm.inner, and servers by nesterov")));
  EXPECT_THAT(SaidOf("algorithm: diloco\noptimizer: {rate: 0.002}\n"),
              Contains(HasSubstr("optimizer.rate: is not algorithm.rate, 1")));
  EXPECT_THAT(
      SaidOf("algorithm: diloco\noptimizer: {weight_decay: 0.1}\n"),
      Contains(HasSubstr("optimizer.weight_decay: is nothing of the outer")));
  EXPECT_THAT(SaidOf("algorithm: diloco\noptimizer: {schedule: cosine}\n"),
              Contains(HasSubstr("optimizer.schedule: is nothing")));
}

TEST(RunRulesTest, AMistakeInANumberIsNamedOnce) {
  const auto said = SaidOf("algorithm: {kind: diloco, rate: -1}\n");
  EXPECT_THAT(said, Contains(HasSubstr("algorithm.rate: must be more than 0")));
  EXPECT_EQ(said.size(), 1u);
}

TEST(RunRulesTest, TheRateOfARunGrowsForAtMostHalfOfIt) {
  const auto warm_up = [](const std::string& keys) {
    return Full(absl::StrCat("algorithm: {kind: diloco, ", keys,
                             "}\ntrain: {batch: 64}\n"))
        .algorithm()
        .run_warm_up();
  };
  EXPECT_EQ(warm_up("period: 1"), 0);
  EXPECT_EQ(warm_up("period: 7"), 3);
  EXPECT_EQ(warm_up("period: 46"), 10);
  EXPECT_EQ(warm_up("period: 46, run_warm_up: 0"), 0);
  EXPECT_EQ(warm_up("period: 46, run_warm_up: 46"), 46);
}

TEST(RunRulesTest, ARateThatNeverGrowsIsRefused) {
  EXPECT_THAT(SaidOf("algorithm: {kind: diloco, period: 5, run_warm_up: 10}\n"
                     "train: {batch: 64}\n"),
              Contains(HasSubstr("algorithm.run_warm_up: a run of 5 batches "
                                 "ends before its rate has grown for 10")));
}

TEST(RunRulesTest, AStrongMomentumHasASmallerRate) {
  const auto rate = [](const std::string& keys) {
    return Full(absl::StrCat("algorithm: {kind: diloco, ", keys,
                             "}\ntrain: {batch: 64}\n"))
        .algorithm()
        .rate();
  };
  EXPECT_EQ(rate("momentum: 0.5"), 1);
  EXPECT_EQ(rate("momentum: 0.9"), 0.7);
  EXPECT_EQ(Full("algorithm: {kind: diloco, momentum: 0.25}\n"
                 "train: {batch: 64}\nconsistency: asp\n")
                .algorithm()
                .rate(),
            0.7);
}

// With 4 workers 0.9 diverged in the spike of decision 0055, and 0.5 learned.
TEST(RunRulesTest, MomentumAtEveryPushFallsWithTheWorkers) {
  const auto asp = [](double momentum, int workers) {
    return SaidOf(absl::StrCat(
        "consistency: asp\nworkers: {max: ", workers,
        "}\nalgorithm: {kind: diloco, momentum: ", momentum, "}\n"));
  };
  EXPECT_THAT(asp(0.9, 4),
              Contains(AllOf(HasSubstr("algorithm.momentum: 0.9 at every push "
                                       "of up to 4 workers adds up"),
                             HasSubstr("momentum: 0.5 at most"))));
  EXPECT_THAT(asp(0.5, 4), IsEmpty());
  EXPECT_THAT(asp(0.9, 2), IsEmpty());
  EXPECT_THAT(asp(0.5, 8), Not(IsEmpty()));
}

TEST(RunRulesTest, RunsFitIntoEpochsRoundsAndItems) {
  EXPECT_THAT(SaidOf("algorithm: {kind: diloco, period: 50}\n"
                     "train: {batch: 128}\n",
                     6000),
              Contains(HasSubstr("algorithm.period: an epoch has 6000 "
                                 "examples, fewer than a run of 50 batches of "
                                 "128, 6400 examples; period: 46")));
  EXPECT_THAT(
      SaidOf("algorithm: {kind: diloco, period: 50}\ntrain: {batch: 128}\n"
             "consistency: {kind: rounds, examples: 2400}\n"),
      Contains(HasSubstr("consistency.examples: a round of 2400 examples")));
  EXPECT_THAT(
      SaidOf("algorithm: {kind: diloco, period: 50}\n"
             "train: {batch: 128, item_examples: 1280}\n"),
      Contains(HasSubstr("train.item_examples: in rounds an item is a run")));
  EXPECT_THAT(SaidOf("algorithm: {kind: diloco, period: 50}\n"
                     "train: {batch: 128, item_examples: 1280}\n"
                     "consistency: asp\n"),
              Contains(HasSubstr("a run ends with its item")));
  EXPECT_THAT(SaidOf("algorithm: diloco\ntrain: {batch: 128, item_examples: "
                     "6400}\n"),
              IsEmpty());
  EXPECT_THAT(SaidOf("algorithm: diloco\ntrain: {batch: 128, batch_growth: "
                     "{}}\n"),
              Contains(HasSubstr("train.batch_growth")));
}

// Without a period runs fit; what is named is kept.
TEST(RunRulesTest, APeriodThatIsNotNamedFits) {
  const auto period = [](const std::string& lines, int64_t examples = 60'000) {
    return Full("algorithm: diloco\n" + lines, examples).algorithm().period();
  };
  // 80 batches in all for 4 workers.
  EXPECT_EQ(period("train: {batch: 64, epochs: 8}\nworkers: {max: 4}\n", 640),
            1);
  EXPECT_EQ(period("train: {batch: 64, epochs: 8}\nconsistency: asp\n"
                   "workers: {max: 4}\n"),
            50);
  EXPECT_EQ(period("train: {batch: 64, item_examples: 640}\n"), 10);
  EXPECT_EQ(period("train: {batch: 64, item_examples: 640}\n"
                   "consistency: asp\n"),
            10);
  EXPECT_EQ(period("train: {batch: 64}\nworkers: {max: 4}\n"
                   "consistency: {kind: rounds, examples: 2560}\n"),
            10);
  // Bug: a second round had two runs for eight workers.
  const v1::Job even = Full(
      "algorithm: {kind: diloco, period: 50}\ntrain: {batch: 128}\n"
      "workers: {max: 8}\n");
  EXPECT_EQ(even.consistency().examples(), absl::StrCat(5 * 50 * 128));
  for (const char* lines : {"", "consistency: asp\n",
                            "train: {batch: 128}\nworkers: {max: 1000}\n"}) {
    for (const int64_t examples : {700, 6000, 60'000}) {
      EXPECT_THAT(SaidOf(absl::StrCat("algorithm: diloco\n", lines), examples),
                  IsEmpty())
          << lines << examples;
    }
  }
}

// Bug: packed data made runs shorter without a word.
TEST(RunRulesTest, RunsFitIntoWindowsOrAreRefused) {
  JobFacts facts;
  facts.tables = {{"w", 7850, InitRule::Zeros()}};
  facts.examples = 600'000;
  facts.window = 65'536;
  for (const std::string consistency : {"rounds", "asp"}) {
    const std::string lines = absl::StrCat(
        "train: {batch: 128}\nworkers: {max: 8}\nconsistency: ", consistency,
        "\nalgorithm: {kind: diloco");
    const auto fits = MakeJobRecord(Read(lines + "}\n"), facts);
    ASSERT_TRUE(fits.ok()) << fits.status();
    EXPECT_EQ(65'536 % fits->plan.shard_size, 0);
    const auto named = MakeJobRecord(Read(lines + ", period: 600}\n"), facts);
    EXPECT_THAT(named.status().message(),
                AllOf(HasSubstr("algorithm.period: the 65536 examples"),
                      HasSubstr("no whole number of runs of 600 batches of "
                                "128"),
                      HasSubstr("hint: period: 512,")));
    const auto hint = MakeJobRecord(Read(lines + ", period: 512}\n"), facts);
    EXPECT_TRUE(hint.ok()) << hint.status();
  }
}

// Bug: a batch that does not divide the window made runs shorter, and a round
// had more of them than workers; a window without divisors was refused.
TEST(RunRulesTest, ARoundHasNoMoreRunsThanWorkersWhateverTheWindow) {
  JobFacts facts;
  facts.tables = {{"w", 7850, InitRule::Zeros()}};
  facts.examples = 600'000;
  for (const int64_t window : {0, 65'536, 65'537, 10'000}) {
    facts.window = window;
    for (const int64_t batch : {100, 128}) {
      const auto record = MakeJobRecord(
          Read(absl::StrCat("train: {batch: ", batch, "}\nworkers: {max: 8}\n",
                            "algorithm: diloco\n")),
          facts);
      ASSERT_TRUE(record.ok()) << record.status();
      const JobPlan& plan = record->plan;
      EXPECT_LE(plan.consistency.round_items, 8) << window << " " << batch;
      EXPECT_TRUE(window == 0 || window % plan.shard_size == 0);
    }
  }
}

TEST(RunRulesTest, ProgramsMayStepByThemselves) {
  v1::Job job = ReadJob(
                    "model: {kind: program, tables: {w: {dims: [4]}}}\n"
                    "data: {train: {positions: {examples: 6000}}}\n"
                    "algorithm: {kind: diloco, program_steps: true}\n",
                    "job.yaml")
                    .job;
  FillDefaults(&job);
  FitToData({.examples = 6000}, 4, &job);
  EXPECT_FALSE(job.algorithm().has_inner());
  EXPECT_GE(job.algorithm().period(), 1);
  const auto algorithm = AlgorithmOf(job);
  ASSERT_TRUE(algorithm.ok()) << algorithm.status();
  EXPECT_EQ((*algorithm)->Plan().worker_vectors, 2);
  // The run's last batch hands in the push.
  const auto rule = (*algorithm)->MakeLocalRule(2);
  rule->Begin(std::vector<float>{1, 2});
  rule->Step({}, std::vector<float>{3, 4});
  std::vector<float> push(2);
  rule->Push({}, push);
  EXPECT_THAT(push, testing::ElementsAre(3, 4));
  EXPECT_THAT(SaidOf("algorithm: {kind: diloco, program_steps: true}\n"),
              Contains(HasSubstr("algorithm.program_steps: the workers of ebb "
                                 "compute model softmax")));
}

TEST(RunRulesTest, NamesWhatRunsDoNotGoWith) {
  EXPECT_THAT(SaidOf("algorithm: diloco\nconsistency: ssp\n"),
              Contains(HasSubstr("consistency.kind: clocks count batches")));
  EXPECT_THAT(SaidOf("algorithm: {kind: diloco, inner: ftrl}\n"),
              Contains(HasSubstr("algorithm.inner.kind: ftrl")));
  EXPECT_THAT(SaidOf("algorithm: {kind: diloco, inner: {ema: 0.9}}\n"),
              Contains(HasSubstr("optimizer: {ema: …}")));
  EXPECT_THAT(SaidOf("algorithm: diloco\nfilters: {push: fp16}\n"),
              Contains(HasSubstr("filters.push.kind: cuts values")));
  EXPECT_THAT(SaidOf("algorithm: diloco\nfilters: {push: top_k}\n"),
              Contains(HasSubstr("filters.push.kind")));
  EXPECT_THAT(SaidOf("algorithm: diloco\nfilters: {pull: fp16}\n"), IsEmpty());
  EXPECT_THAT(SaidOf("algorithm: diloco\nfilters: {pull: int8}\n"),
              Contains(HasSubstr("filters.pull.kind: rounds to 255")));
  EXPECT_THAT(
      SaidOf("algorithm: diloco\ntables: {bias: {rate_factor: 2}}\n"),
      Contains(HasSubstr("workers step in copies of all tables at one rate")));
}

}  // namespace
}  // namespace ebb::job
