#include "server/job_rule.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "algorithms/lbfgs/lbfgs.h"
#include "common/initializer.h"
#include "ebb/v1/specification.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/training.h"
#include "job/yaml.h"
#include "optimizer/optimizer.h"
#include "server/memory/block_pool.h"
#include "server/partition.h"
#include "workloads/seam/server/server.h"

namespace ebb::server {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::FloatEq;
using ::testing::HasSubstr;

JobRecord RecordOf(const std::string& lines,
                   const std::vector<job::DenseTable>& tables,
                   int64_t examples = 100) {
  const std::string text = absl::StrCat(
      "model: softmax\ndata: {train: {csv: a.csv}}\nseed: 3\n", lines);
  const job::JobFile file = job::ReadJob(text, "job.yaml");
  EXPECT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.tables = tables;
  facts.examples = examples;
  const auto record = job::MakeJobRecord(file.job, facts);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() ? *record : JobRecord();
}

// What job.proto says of an optimizer must be so.
TEST(OptimizerKindsTest, AreThoseOfTheServer) {
  const auto& kinds = *v1::Optimizer::Kind_descriptor();
  for (int i = 1; i < kinds.value_count(); ++i) {
    const auto kind =
        static_cast<v1::Optimizer::Kind>(kinds.value(i)->number());
    const std::string word = job::EnumWord(kinds, kind);
    v1::Optimizer settings;
    settings.set_kind(kind);
    const auto whole = job::OptimizerOf(settings);
    ASSERT_TRUE(whole.ok()) << whole.status();
    const auto optimizer = MakeOptimizer(*whole);
    ASSERT_TRUE(optimizer.ok()) << optimizer.status();
    // The second step is of another direction: state would show.
    const auto steps = [&](float rate) {
      std::vector<float> weights = {1};
      std::vector<float> slots[2] = {{0}, {0}};
      const std::vector<std::span<float>> spans(
          slots, slots + (*optimizer)->SlotCount());
      for (int s = 0; s < (*optimizer)->SlotCount(); ++s) {
        (*optimizer)->InitializeSlot(s, weights, slots[s]);
      }
      for (const float gradient : {0.5f, -0.25f}) {
        (*optimizer)
            ->Step({.rate = rate}, weights,
                   GradientView(std::span(&gradient, 1)), weights, spans);
      }
      return weights[0];
    };
    const v1::OptimizerTraits& traits = job::TraitsOf(kind);
    EXPECT_EQ(steps(0.5f) == steps(0.25f),
              traits.rates_fall() || traits.statistics())
        << word;
    EXPECT_EQ(steps(0.5f) == 0.875f, traits.plain()) << word;
  }
}

std::unique_ptr<JobRule> RuleOf(const JobRecord& record) {
  auto rule = JobRule::Create(record);
  EXPECT_TRUE(rule.ok()) << rule.status();
  return rule.ok() ? *std::move(rule) : nullptr;
}

RollbackRecord Half() {
  RollbackRecord rollback;
  rollback.rate_factor = 0.5;
  return rollback;
}

// One step of `rule` from `weights` by `gradient`, without slots.
std::vector<float> StepOf(const JobRule& rule, const StepPlace& place,
                          const std::vector<float>& weights,
                          const std::vector<float>& gradient) {
  const Payload payload = Payload::Of(gradient);
  GradientCursor cursor(payload);
  std::vector<float> out(weights.size());
  StepRun run;
  run.weights = weights;
  run.gradient = &cursor;
  run.out = out;
  rule.Step(place, run);
  return out;
}

TEST(JobRuleTest, InitialValuesFollowTheTables) {
  const auto rule = RuleOf(RecordOf("", {{"a", 3, InitRule::Constant(1)},
                                         {"empty", 0, InitRule::Constant(9)},
                                         {"b", 2, InitRule::Zeros()},
                                         {"c", 4, InitRule::Constant(-2)}}));
  std::vector<float> all(9);
  rule->InitialWeights(0, all);
  EXPECT_THAT(all, ElementsAre(1, 1, 1, 0, 0, -2, -2, -2, -2));
  std::vector<float> part(4);
  rule->InitialWeights(2, part);  // Spans three tables.
  EXPECT_THAT(part, ElementsAre(1, 0, 0, -2));
  std::vector<float> last(1);
  rule->InitialWeights(8, last);
  EXPECT_THAT(last, ElementsAre(-2));
  rule->InitialWeights(3, last);  // A table begins there.
  EXPECT_THAT(last, ElementsAre(0));
}

TEST(JobRuleTest, InitialValuesAreThoseOfSeedTableAndIndex) {
  const auto rule = RuleOf(RecordOf(
      "", {{"a", 10, InitRule::Uniform(1)}, {"b", 10, InitRule::Normal(2)}}));
  std::vector<float> expected(10);
  FillInitial(InitRule::Uniform(1), 3, "a", 7, std::span(expected).first(3));
  FillInitial(InitRule::Normal(2), 3, "b", 0, std::span(expected).subspan(3));
  std::vector<float> got(10);
  rule->InitialWeights(7, got);
  EXPECT_EQ(got, expected);
}

TEST(JobRuleTest, SgdStepsByTheMeanOfThePushedSum) {
  const auto rule = RuleOf(RecordOf("optimizer: {kind: sgd, rate: 0.5}\n",
                                    {{"w", 3, InitRule::Zeros()}}));
  EXPECT_EQ(rule->SlotCount(), 0);
  StepPlace place;
  place.end = 4;
  place.gradient_scale = 0.25f;
  EXPECT_THAT(StepOf(*rule, place, {1, 2, 3}, {4, 8, -4}),
              ElementsAre(0.5f, 1, 3.5f));
}

// Jiang et al. 2017, section 5.
TEST(JobRuleTest, DynSgdDividesStepsByTheUpdatesSinceThePull) {
  const std::string optimizer = "optimizer: {kind: sgd, rate: 1}\n";
  const auto dynsgd =
      RuleOf(RecordOf(absl::StrCat("algorithm: dynsgd\n", optimizer),
                      {{"w", 1, InitRule::Zeros()}}));
  const auto sgd = RuleOf(RecordOf(optimizer, {{"w", 1, InitRule::Zeros()}}));
  StepPlace place;
  place.end = 4;
  const float full = StepOf(*sgd, place, {0}, {12})[0];
  EXPECT_THAT(StepOf(*dynsgd, place, {0}, {12}), ElementsAre(full));
  place.staleness = 1;
  EXPECT_THAT(StepOf(*dynsgd, place, {0}, {12}), ElementsAre(full / 2));
  place.staleness = 3;
  EXPECT_THAT(StepOf(*dynsgd, place, {0}, {12}), ElementsAre(full / 4));
  // Without it, when a gradient comes changes nothing.
  EXPECT_THAT(StepOf(*sgd, place, {0}, {12}), ElementsAre(full));
}

TEST(JobRuleTest, TheFactorOfALateGradientIsTheAlgorithms) {
  const auto rule_of = [](absl::string_view algorithm) {
    return RuleOf(RecordOf(absl::StrCat("algorithm: ", algorithm, "\n"),
                           {{"w", 1, InitRule::Zeros()}}));
  };
  StepPlace place;
  place.staleness = 3;
  EXPECT_EQ(rule_of("dynsgd")->RateFactor(place), 0.25);
  EXPECT_EQ(rule_of("sgd")->RateFactor(place), 1);
  // Servers add what workers push as it is.
  EXPECT_EQ(rule_of("aeasgd")->RateFactor(place), 1);
}

TEST(JobRuleTest, DynSgdDividesStepsOfRowsToo) {
  const std::string text =
      "model: softmax\ndata: {train: {csv: a.csv}}\nalgorithm: dynsgd\n"
      "optimizer: {kind: sgd, rate: 1, schedule: constant}\n";
  const job::JobFile file = job::ReadJob(text, "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  v1::Optimizer own = file.job.optimizer();
  own.set_rate(0.5);
  job::JobFacts facts;
  facts.examples = 100;
  facts.tables = {{"w", 1, InitRule::Zeros()}};
  facts.sparse_tables = {{.name = "rows", .width = 1},
                         {.name = "slow", .width = 1, .optimizer = own}};
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  const auto rule = RuleOf(*record);
  StepPlace place;
  place.end = 4;
  EXPECT_EQ(rule->RowStep(0, place).rate, 1);
  EXPECT_EQ(rule->RowStep(1, place).rate, 0.5f);
  // The table divides each row's step by what the row took meanwhile.
  place.staleness = 3;
  EXPECT_EQ(rule->RowStep(0, place).rate, 1);
  EXPECT_EQ(rule->RowStep(1, place).rate, 0.5f);
  EXPECT_EQ(rule->RowStep(1, place).staleness, 3);
  EXPECT_EQ(rule->RowOptions(0).rate_factor(3), 0.25);
  const auto slower = *JobRule::Create(*record, Half());
  EXPECT_EQ(slower->RowStep(1, place).rate, 0.25f);
  EXPECT_EQ(slower->RowStep(1, place).rate_factor, 0.5f);  // For ftrl.
}

TEST(JobRuleTest, FrozenRowsHaveNoSlotsAndNoStaleness) {
  const job::JobFile file = job::ReadJob(
      "model: sparse_logistic\ndata: {train: {libsvm: {path: a, keys: true}}}\n"
      "optimizer: adagrad\nfreeze: [a]\n",
      "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.sparse_tables = {{.name = "a", .width = 2}, {.name = "b", .width = 2}};
  facts.examples = 100;
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();

  const auto rule = RuleOf(*record);

  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->RowOptimizer(0)->SlotCount(), 0);
  EXPECT_EQ(rule->RowOptimizer(1)->SlotCount(), 1);
  EXPECT_EQ(rule->RowOptions(0).rate_factor, nullptr);
  EXPECT_NE(rule->RowOptions(1).rate_factor, nullptr);
  const auto states = rule->RowStates();
  EXPECT_TRUE(states[0].slots.empty());
  EXPECT_THAT(states[1].slots, ElementsAre("squares"));
}

TEST(JobRuleTest, ChangesThatWorkersPushAreAdded) {
  const auto rule =
      RuleOf(RecordOf("algorithm: aeasgd\noptimizer: {rate: 0.1}\n",
                      {{"w", 2, InitRule::Zeros()}}));
  EXPECT_EQ(rule->SlotCount(), 0);
  StepPlace place;
  place.end = 4;
  place.gradient_scale = 0.25f;
  EXPECT_THAT(StepOf(*rule, place, {1, 2}, {4, -8}), ElementsAre(5, -6));
}

TEST(JobRuleTest, ChangesOfRowsAreAddedToo) {
  const std::string text =
      "model: softmax\ndata: {train: {csv: a.csv}}\nalgorithm: geo\n"
      "optimizer: {rate: 0.1}\n";
  const job::JobFile file = job::ReadJob(text, "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.examples = 100;
  facts.tables = {{"w", 1, InitRule::Zeros()}};
  facts.sparse_tables = {{.name = "rows", .width = 2}};
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  const auto rule = RuleOf(*record);
  StepPlace place;
  place.end = 4;
  place.gradient_scale = 0.25f;
  const StepContext context = rule->RowStep(0, place);
  std::vector<float> row = {1, 2};
  const std::vector<float> change = {4, -8};
  EXPECT_EQ(rule->RowOptimizer(0)->SlotCount(), 0);
  rule->RowOptimizer(0)->Step(context, row, change, row, {});
  EXPECT_THAT(row, ElementsAre(5, -6));
  // Nor does a generation with a smaller rate add less.
  const auto slower = *JobRule::Create(*record, Half());
  EXPECT_EQ(slower->RowStep(0, place).rate, -1);
  // Nothing goes by lateness, and nothing is kept for it.
  EXPECT_EQ(rule->RowOptions(0).rate_factor, nullptr);
}

// Stich 2019, algorithm 1: the mean, by examples.
TEST(JobRuleTest, OfARoundOfChangesTheMeanIsAdded) {
  const auto rule =
      RuleOf(RecordOf("algorithm: local_sgd\nconsistency: rounds\n",
                      {{"w", 2, InitRule::Zeros()}}));
  StepPlace place;
  place.end = 4;
  place.gradient_scale = 0.25f;
  EXPECT_THAT(StepOf(*rule, place, {1, 2}, {4, -8}), ElementsAre(2, 0));
}

TEST(JobRuleTest, RateFollowsThePlaceInTheData) {
  // Ten items of 10 examples; the rate falls tenfold after each half epoch.
  const JobRecord record = RecordOf(
      "train: {epochs: 4, batch: 10, item_examples: 10}\n"
      "optimizer: {kind: sgd, rate: 1, schedule: {kind: step, step_epochs: "
      "0.5, factor: 0.1}}\n",
      {{"w", 1, InitRule::Zeros()}});
  const auto rule = RuleOf(record);
  StepPlace place;
  place.end = 10;
  place.item = {0, 4};  // Middle at 45 of 100.
  EXPECT_THAT(StepOf(*rule, place, {0}, {1}), Each(FloatEq(-1.0f)));
  place.item = {0, 5};  // 0.55 epochs.
  EXPECT_THAT(StepOf(*rule, place, {0}, {1}), Each(FloatEq(-0.1f)));
  place.item = {1, 0};  // 1.05 epochs.
  EXPECT_THAT(StepOf(*rule, place, {0}, {1}), Each(FloatEq(-0.01f)));
}

TEST(JobRuleTest, RateWarmsUpFromTheMiddleOfTheFirstBatch) {
  const JobRecord record = RecordOf(
      "train: {epochs: 4, batch: 10, item_examples: 20}\n"
      "optimizer: {kind: sgd, rate: 1, schedule: {warm_up_epochs: 1}}\n",
      {{"w", 1, InitRule::Zeros()}});
  const auto rule = RuleOf(record);
  StepPlace place;
  place.end = 10;
  EXPECT_THAT(StepOf(*rule, place, {0}, {1}), Each(FloatEq(-0.05f)));
  place.item = {0, 1};
  place.begin = 10;
  place.end = 20;  // Examples 30 to 40.
  EXPECT_THAT(StepOf(*rule, place, {0}, {1}), Each(FloatEq(-0.35f)));
}

TEST(JobRuleTest, FtrlSlotsStartFromTheWeights) {
  const auto rule =
      RuleOf(RecordOf("optimizer: {kind: ftrl, rate: 0.5, beta: 2}\n",
                      {{"w", 2, InitRule::Constant(3)}}));
  ASSERT_EQ(rule->SlotCount(), 2);
  const std::vector<float> weights = {3, 3};
  // z gives w = -z / ((beta + 0) / rate): z = -3 * 4; the squares are 0.
  std::vector<float> a(2), b(2);
  rule->InitialSlot(0, 0, weights, a);
  rule->InitialSlot(1, 0, weights, b);
  EXPECT_THAT((std::vector<float>{std::min(a[0], b[0]), std::max(a[1], b[1])}),
              ElementsAre(-12, 0));
}

TEST(JobRuleTest, EveryKindOfOptimizerCanBeMade) {
  for (const std::string& kind :
       job::EnumWords(*v1::Optimizer::Kind_descriptor())) {
    const std::string lines = kind == "average"
                                  ? "tables: {w: {optimizer: average}}\n"
                                  : absl::StrCat("optimizer: ", kind, "\n");
    const auto rule =
        JobRule::Create(RecordOf(lines, {{"w", 2, InitRule::Zeros()}}));
    EXPECT_TRUE(rule.ok()) << kind << ": " << rule.status();
  }
}

// The weights and slots after so many steps by the gradients (1, -2), then
// (2, -4) and so on.
std::vector<std::vector<float>> Steps(
    const JobRule& rule, int64_t first, int64_t last,
    std::vector<std::vector<float>> state = {}) {
  if (state.empty()) {
    state.assign(1 + rule.SlotCount(), std::vector<float>(2));
    rule.InitialWeights(0, state[0]);
    for (int s = 0; s < rule.SlotCount(); ++s) {
      rule.InitialSlot(s, 0, state[0], state[1 + s]);
    }
  }
  for (int64_t step = first; step <= last; ++step) {
    const auto size = static_cast<float>(step);
    const Payload payload = Payload::Of(std::vector<float>{size, -2 * size});
    GradientCursor cursor(payload);
    std::vector<float> out(2);
    const std::vector<std::span<float>> slots(state.begin() + 1, state.end());
    StepRun run;
    run.weights = state[0];
    run.gradient = &cursor;
    run.out = out;
    run.slots = slots;
    StepPlace place;
    place.end = 4;
    place.step = step;
    rule.Step(place, run);
    state[0] = out;
  }
  return state;
}

JobRecord OptimizerRecord(absl::string_view kind, double rate) {
  return RecordOf(absl::StrCat("optimizer: {kind: ", kind, ", rate: ", rate,
                               ", schedule: constant}\n"),
                  {{"w", 2, InitRule::Constant(3)}});
}

TEST(JobRuleTest, ARateFactorIsASmallerRateFromThereOn) {
  for (const char* kind :
       {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"}) {
    SCOPED_TRACE(kind);
    const JobRecord record = OptimizerRecord(kind, 0.5);
    const auto before = Steps(*RuleOf(record), 1, 2);
    const auto with_factor = *JobRule::Create(record, Half());
    const auto smaller = RuleOf(OptimizerRecord(kind, 0.25));
    EXPECT_EQ(Steps(*with_factor, 3, 5, before), Steps(*smaller, 3, 5, before));
    EXPECT_NE(Steps(*with_factor, 3, 5, before)[0],
              Steps(*RuleOf(record), 3, 5, before)[0]);
  }
}

// Its slots are of a rate: they become those of the smaller one.
TEST(JobRuleTest, ARateFactorOfFtrlIsASmallerRateToo) {
  const JobRecord record = RecordOf("optimizer: {kind: ftrl, rate: 0.5}\n",
                                    {{"w", 2, InitRule::Constant(3)}});
  const auto smaller = RuleOf(RecordOf("optimizer: {kind: ftrl, rate: 0.25}\n",
                                       {{"w", 2, InitRule::Constant(3)}}));
  const auto with_factor = *JobRule::Create(record, Half());
  const auto got = Steps(*with_factor, 1, 3), want = Steps(*smaller, 1, 3);
  ASSERT_EQ(got.size(), 3u);
  for (size_t i = 0; i < got.size(); ++i) {
    for (size_t j = 0; j < 2; ++j) EXPECT_FLOAT_EQ(got[i][j], want[i][j]);
  }
  // Steps of the full rate before it leave the weights where they are.
  const auto before = Steps(*RuleOf(record), 1, 2);
  const auto after = Steps(*with_factor, 3, 3, before)[0];
  const auto full = Steps(*RuleOf(record), 3, 3, before)[0];
  for (size_t j = 0; j < 2; ++j) {
    EXPECT_NEAR(after[j] - before[0][j], (full[j] - before[0][j]) / 2, 1e-5);
  }
  // A later rollback to the full rate leaves them there, too.
  RollbackRecord back;
  back.versions.resize(1);
  const auto slowed = Steps(*with_factor, 1, 2);
  const auto faster =
      Steps(*JobRule::Create(record, back).value(), 3, 3, slowed);
  const auto as_slow = Steps(*with_factor, 3, 3, slowed);
  for (size_t j = 0; j < 2; ++j) {
    EXPECT_NEAR((as_slow[0][j] - slowed[0][j]) * 2, faster[0][j] - slowed[0][j],
                1e-5);
  }
}

TEST(JobRuleTest, ARateFactorIsNotForChangesThatWorkersMade) {
  StepPlace place;
  place.end = 4;
  place.gradient_scale = 0.25f;
  const auto adds =
      *JobRule::Create(RecordOf("algorithm: aeasgd\noptimizer: {rate: 0.1}\n",
                                {{"w", 2, InitRule::Zeros()}}),
                       Half());
  EXPECT_THAT(StepOf(*adds, place, {1, 2}, {4, -8}), ElementsAre(5, -6));
}

TEST(JobRuleTest, ValuesOfPartitionsSpanTablesAndBlocks) {
  // 20,000 parameters are two blocks; the tables meet within the first.
  JobRecord record = RecordOf("optimizer: {kind: sgd, rate: 1}\n",
                              {{"a", 10'000, InitRule::Constant(1)},
                               {"b", 10'000, InitRule::Constant(2)}});
  ASSERT_EQ(record.plan.partitions, 2);
  auto pool = BlockPool::Create({.max_bytes = 1 << 24, .shared = false});
  ASSERT_TRUE(pool.ok());
  const std::shared_ptr<BlockPool> shared = *std::move(pool);
  const std::shared_ptr<const UpdateRule> rule = RuleOf(record);
  const auto shared_record = std::make_shared<const JobRecord>(record);
  std::vector<float> all;
  for (int32_t p = 0; p < 2; ++p) {
    const auto partition =
        Partition::Create(shared_record, PartitionId(p), rule, shared);
    ASSERT_TRUE(partition.ok());
    const Payload values = (*partition)->Values();
    std::vector<float> part(values.size() / sizeof(float));
    values.CopyTo(std::as_writable_bytes(std::span(part)));
    all.insert(all.end(), part.begin(), part.end());
  }
  ASSERT_EQ(all.size(), 20'000u);
  EXPECT_EQ(all[9'999], 1);
  EXPECT_EQ(all[10'000], 2);
  EXPECT_EQ(all[16'384], 2);
  EXPECT_EQ(all[19'999], 2);
}

TEST(JobRuleTest, ArraysHaveNamesForPeople) {
  JobRecord record =
      RecordOf("optimizer: {kind: adam}", {{"w", 2, InitRule::Zeros()}});
  const auto rule = JobRule::Create(record);
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ((*rule)->PublicName("weights"), "values");
  EXPECT_EQ((*rule)->PublicName("slot:0"), "slot/first_moment");
  EXPECT_EQ((*rule)->PublicName("slot:1"), "slot/second_moment");
  EXPECT_EQ((*rule)->PublicName("slot:2"), "slot:2");
  EXPECT_EQ((*rule)->PublicName("sum"), "sum");
}

// Centroids (1, 1) and (5, 5), and their sizes; the run begins at the second
// value.
TEST(JobRuleTest, LloydMeasuresCountsAndMovesCentroids) {
  const job::JobFile file = job::ReadJob(
      "model: {kind: kmeans, clusters: 2}\ndata: {train: {csv: a.csv}}\n",
      "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.tables = {{"centroids", 4, InitRule::Zeros(), {2, 2}},
                  {"sizes", 2, InitRule::Constant(1), {2}}};
  facts.examples = 100;
  facts.initial.emplace().set_bytes(24);
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  const auto rule = RuleOf(*record);
  ASSERT_EQ(rule->SlotCount(), 0);
  ASSERT_EQ(rule->FigureCount(), 3);
  const std::vector<float> weights = {1, 5, 5, 1, 1}, sum = {4, 6, 0, 2, 3};
  std::vector<double> figures(3);
  rule->Measure({}, {1, weights, sum, {}}, figures);
  EXPECT_THAT(figures, ElementsAre(0, 2, 3));
  rule->PackFigures(&figures);
  EXPECT_THAT(figures, ElementsAre(0, 0, 2, 3));
  figures.front() = 9;
  const auto coordinator = workloads::CoordinatorOf(*record);
  ASSERT_TRUE(coordinator.ok()) << coordinator.status();
  const auto operation = (*coordinator)->Next({0, false, 100}, "", {figures});
  ASSERT_TRUE(operation.ok()) << operation.status();
  const auto step = rule->ReadOperation(*operation);
  ASSERT_TRUE(step.ok()) << step.status();
  std::vector<float> out(5);
  (*step)->Apply(1, {1, weights, sum, out, {}, {}});
  EXPECT_THAT(out, ElementsAre(3, 7, 5, 2, 3));
}

TEST(JobRuleTest, RestartsOfKMeansAreTasks) {
  const job::JobFile file = job::ReadJob(
      "model: {kind: kmeans, clusters: 2, restarts: 7}\n"
      "data: {train: {csv: a.csv}}\nalgorithm: {tolerance: 0.5}\n",
      "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.sparse_tables.push_back(
      {.name = "runs", .width = 4096, .kind = RowKind::kWriteOnce});
  facts.examples = 100;
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->plan.examples, 7);
  EXPECT_EQ(record->plan.epochs, 1);
  EXPECT_EQ(record->plan.shard_size, 1);
  EXPECT_FALSE(record->plan.algorithm.operated);
  const auto rule = RuleOf(*record);
  EXPECT_EQ(rule->SlotCount(), 0);
  EXPECT_TRUE(rule->RowOptions(0).of_tasks);
  EXPECT_TRUE(rule->KeepsLeastLoss());
  EXPECT_TRUE(job::TrainingFactsOf(*record)->least_loss);
}

TEST(JobRuleTest, BatchesOfWordsMayHaveNoLoss) {
  const job::JobFile file = job::ReadJob(
      "model: {kind: word_vectors, dim: 4}\ndata: {train: {text: a.txt}}\n",
      "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.sparse_tables.push_back({.name = "vectors", .width = 4});
  facts.examples = 100;
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_TRUE(RuleOf(*record)->ZeroLossIsNone());
}

// From w = (3, 4) the gradient of 10 examples sums up to 10 w.
TEST(JobRuleTest, LbfgsMeasuresAndStepsByItsOperations) {
  const auto rule =
      RuleOf(RecordOf("algorithm: {kind: lbfgs, history: 2}\n"
                      "consistency: {kind: rounds, examples: epoch}\n",
                      {{"w", 2, InitRule::Zeros()}}));
  const LbfgsOptions options{.history = 2};
  ASSERT_EQ(rule->SlotCount(), LbfgsSlots::Count(options));
  ASSERT_EQ(rule->FigureCount(), LbfgsFigures::Count(options));
  const std::vector<float> weights = {3, 4}, sum = {30, 40};
  StepPlace place;
  place.gradient_scale = 0.1f;
  std::vector<std::vector<float>> slots(rule->SlotCount(),
                                        std::vector<float>(2, 7));
  std::vector<std::span<const float>> read;
  for (size_t s = 0; s < slots.size(); ++s) {
    rule->InitialSlot(static_cast<int>(s), 0, weights, slots[s]);
    EXPECT_THAT(slots[s], Each(0));
    read.push_back(slots[s]);
  }
  std::vector<double> figures(rule->FigureCount());
  rule->Measure(place, {0, weights, sum, read}, figures);
  EXPECT_DOUBLE_EQ(figures[LbfgsFigures::kNewNorm], 25);
  EXPECT_EQ(figures[LbfgsFigures::kSlope], 0);
  figures[LbfgsFigures::kLoss] = 125;
  const auto operation =
      MakeLbfgsCoordinator(options)->Next({0, false, 10}, "", {figures});
  ASSERT_TRUE(operation.ok()) << operation.status();
  const auto step = rule->ReadOperation(*operation);
  ASSERT_TRUE(step.ok()) << step.status();
  std::vector<std::span<float>> changed(slots.size());
  for (size_t s = 0; s < slots.size(); ++s) {
    EXPECT_EQ((*step)->Changes(static_cast<int>(s)), s < 3);
    if (s < 3) changed[s] = slots[s];
  }
  std::vector<float> out(2);
  (*step)->Apply(place.gradient_scale, {0, weights, sum, out, read, changed});
  // A first step of length 1, down the gradient.
  EXPECT_THAT(out, ElementsAre(FloatEq(2.4f), FloatEq(3.2f)));
  EXPECT_THAT(slots[LbfgsSlots::kPoint], ElementsAre(3, 4));
  EXPECT_THAT(slots[LbfgsSlots::kGradient], ElementsAre(3, 4));
  EXPECT_THAT(slots[LbfgsSlots::kDirection], ElementsAre(-3, -4));
  EXPECT_EQ(rule->PublicName("slot:0"), "slot/point");
  EXPECT_EQ(rule->PublicName("slot:2"), "slot/direction");
  EXPECT_EQ(rule->PublicName("slot:5"), "slot/step_1");
  EXPECT_EQ(rule->PublicName("slot:6"), "slot/change_1");
  EXPECT_TRUE(absl::IsDataLoss(rule->ReadOperation("what").status()));
  // Of another history.
  const std::vector<double> more(LbfgsFigures::Count({.history = 3}));
  const auto other =
      MakeLbfgsCoordinator({.history = 3})->Next({0, false, 10}, "", {more});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(absl::IsInvalidArgument(rule->ReadOperation(*other).status()));
}

TEST(JobRuleTest, OperationsAreOfLbfgsAlone) {
  const auto rule = RuleOf(RecordOf("", {{"w", 2, InitRule::Zeros()}}));
  EXPECT_TRUE(absl::IsInvalidArgument(rule->ReadOperation("").status()));
}

TEST(JobRuleTest, UnreadableSpecificationsAreRefused) {
  JobRecord record = RecordOf("", {{"w", 2, InitRule::Zeros()}});
  record.plan.parameters = 3;
  EXPECT_TRUE(absl::IsInvalidArgument(JobRule::Create(record).status()));
  record.specification = "?";
  EXPECT_TRUE(absl::IsDataLoss(JobRule::Create(record).status()));
}

// --- State of the optimizer from a file --------------------------------------

// The same job, which begins with so many slots after so many steps.
JobRecord WithSlots(JobRecord record, int32_t slots,
                    const std::vector<int64_t>& steps) {
  v1::Specification specification = *job::ReadSpecification(record);
  specification.mutable_job()->mutable_model()->set_initial("a.safetensors");
  v1::InitialValues& initial = *specification.mutable_initial();
  initial.set_bytes(record.plan.parameters * 4 * (1 + slots));
  initial.set_slots(slots);
  initial.mutable_steps()->Add(steps.begin(), steps.end());
  record.specification = specification.SerializeAsString();
  return record;
}

// Steps `count` times from number `step`, in place.
void Steps(const JobRule& rule, int64_t step, int count,
           std::vector<float>* weights,
           std::vector<std::vector<float>>* slots) {
  for (int i = 0; i < count; ++i) {
    const Payload payload =
        Payload::Of(std::vector<float>(weights->size(), 0.5f));
    GradientCursor cursor(payload);
    std::vector<float> out(weights->size());
    const std::vector<std::span<float>> spans(slots->begin(), slots->end());
    StepRun run;
    run.weights = *weights;
    run.gradient = &cursor;
    run.out = out;
    run.slots = spans;
    StepPlace place;
    place.step = step + i;
    rule.Step(place, run);
    *weights = out;
  }
}

TEST(JobRuleTest, StepsCountOnFromThoseOfTheFile) {
  const JobRecord record = RecordOf(
      "optimizer: {kind: adam, rate: 0.5, schedule: constant}\n"
      "tables: {b: {optimizer: {kind: momentum, rate: 0.5}}}\n",
      {{"a", 2, InitRule::Zeros()}, {"b", 1, InitRule::Zeros()}});
  const auto whole = RuleOf(record);
  ASSERT_EQ(whole->SlotCount(), 2);
  std::vector<float> weights = {1, 2, 3};
  std::vector<std::vector<float>> slots(2, std::vector<float>(3));
  Steps(*whole, 1, 3, &weights, &slots);
  std::vector<float> went_on = weights, others = weights;
  std::vector<std::vector<float>> its_slots = slots, other_slots = slots;
  Steps(*whole, 4, 2, &weights, &slots);

  const auto rule = RuleOf(WithSlots(record, 2, {3, 3}));
  Steps(*rule, 1, 2, &went_on, &its_slots);

  EXPECT_THAT(went_on, ElementsAreArray(weights));
  EXPECT_THAT(its_slots, ElementsAreArray(slots));
  EXPECT_EQ(rule->DenseStates()[0].steps, 3);
  // Each table has its own.
  Steps(*RuleOf(WithSlots(record, 2, {0, 3})), 1, 2, &others, &other_slots);
  EXPECT_NE(others[0], weights[0]);
  EXPECT_EQ(others[2], weights[2]);
}

TEST(JobRuleTest, ARuleWithOtherSlotsThanTheFileIsRefused) {
  const JobRecord record =
      RecordOf("optimizer: {kind: momentum, rate: 1}\n",
               {{"a", 2, InitRule::Zeros()}, {"b", 1, InitRule::Zeros()}});
  EXPECT_TRUE(JobRule::Create(WithSlots(record, 1, {0, 0})).ok());
  EXPECT_THAT(JobRule::Create(WithSlots(record, 2, {0, 0})).status().message(),
              HasSubstr("the file has 2 slots, the rules of the job have 1"));
}

// --- Rules by dense table ----------------------------------------------------

JobRecord OfSeveralRules() {
  return RecordOf(
      "optimizer: {kind: sgd, rate: 0.5, schedule: constant}\n"
      "tables:\n"
      "  b: {optimizer: {kind: average, share: 0.25}}\n"
      "  c: {optimizer: {kind: adagrad, rate: 1, initial_accumulator: 4}}\n"
      "  d: {rate_factor: 4}\n",
      {{"a", 2, InitRule::Zeros()},
       {"b", 2, InitRule::Zeros()},
       {"c", 1, InitRule::Zeros()},
       {"d", 2, InitRule::Zeros()}});
}

TEST(JobRuleTest, EachDenseTableStepsByItsOwnRule) {
  const auto rule = RuleOf(OfSeveralRules());
  ASSERT_EQ(rule->SlotCount(), 1);
  const std::vector<float> weights = {1, 1, 1, 1, 1, 1, 1};
  // Seven floats in two runs, which end within tables.
  const Payload payload =
      Payload::Of(std::vector<float>{4, 8, 12, -4, 6, 2, 4});
  GradientCursor cursor(payload);
  std::vector<float> out(7), slot(7);
  rule->InitialSlot(0, 0, weights, slot);
  EXPECT_THAT(slot, ElementsAre(0, 0, 0, 0, 4, 0, 0));
  StepPlace place;
  place.end = place.examples = 4;
  place.gradient_scale = 0.25f;
  for (const auto& [first, count] : {std::pair{0, 3}, {3, 4}}) {
    const std::span<float> slots[] = {std::span(slot).subspan(first, count)};
    StepRun run;
    run.first = first;
    run.weights = std::span(weights).subspan(first, count);
    run.gradient = &cursor;
    run.out = std::span(out).subspan(first, count);
    run.slots = slots;
    rule->Step(place, run);
  }

  // sgd, average of 3 and of -1, adagrad by 1.5 / sqrt(4 + 2.25), sgd of 2.
  EXPECT_THAT(out,
              ElementsAre(0.5f, 0.0f, 1.5f, 0.5f, FloatEq(0.4f), 0.0f, -1.0f));
  EXPECT_THAT(slot, ElementsAre(0, 0, 0, 0, 6.25f, 0, 0));
}

TEST(JobRuleTest, ARollbackAndLatenessLeaveStatisticsAlone) {
  JobRecord record = RecordOf(
      "optimizer: {kind: sgd, rate: 1, schedule: constant}\n"
      "algorithm: dynsgd\n"
      "tables: {b: {optimizer: {kind: average, share: 0.5}}}\n",
      {{"a", 1, InitRule::Zeros()}, {"b", 1, InitRule::Zeros()}});
  const auto rule = JobRule::Create(record, Half());
  ASSERT_TRUE(rule.ok()) << rule.status();
  StepPlace place;
  place.staleness = 3;
  EXPECT_THAT(StepOf(**rule, place, {1, 1}, {1, 3}), ElementsAre(0.875f, 2.0f));
}

TEST(JobRuleTest, SlotsOfDifferentRulesHaveNoCommonName) {
  const auto one = RuleOf(OfSeveralRules());
  EXPECT_EQ(one->PublicName("slot:0"), "slot/squares");
  const auto several = RuleOf(
      RecordOf("optimizer: adam\ntables: {b: {optimizer: momentum}}\n",
               {{"a", 1, InitRule::Zeros()}, {"b", 1, InitRule::Zeros()}}));
  EXPECT_EQ(several->PublicName("slot:0"), "slot/0");
  EXPECT_EQ(several->PublicName("slot:1"), "slot/second_moment");
  EXPECT_EQ(several->DenseStates()[1].optimizer, "momentum");
  EXPECT_THAT(several->DenseStates()[1].slots, ElementsAre("velocity"));
}

}  // namespace
}  // namespace ebb::server
