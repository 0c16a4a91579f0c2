#include "job/specification.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/keys.h"
#include "job/content_difference.h"
#include "job/frozen_rows.h"
#include "job/program_tables.h"
#include "job/training.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::job {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The job of these lines, beside what every job needs.
v1::Job JobOf(const std::string& lines, const std::string& model =
                                            "model: softmax\n"
                                            "data: {train: {csv: a.csv}, "
                                            "test: {csv: b.csv}}\n") {
  const std::string text = absl::StrCat(model, lines);
  const JobFile file = ReadJob(text, "job.yaml");
  EXPECT_TRUE(file.ok()) << ToString(file.mistakes);
  return file.job;
}

// 60,000 examples, 235,146 parameters: the main job.
JobFacts MainFacts() {
  JobFacts facts;
  facts.tables = {{"w1", 784 * 256, InitRule::Normal(0.05f)},
                  {"b1", 256, InitRule::Zeros()},
                  {"w2", 256 * 128, InitRule::Uniform(0.1f)},
                  {"b2", 128, InitRule::Zeros()},
                  {"w3", 1280, InitRule::Constant(0.5f)},
                  {"b3", 10, InitRule::Zeros()}};
  facts.examples = 60'000;
  facts.train_index = "train";
  facts.test_index = "test";
  facts.train_index_hash = 77;
  facts.order_version = 1;
  facts.source = "the text";
  return facts;
}

JobPlan PlanOf(const std::string& lines, const JobFacts& facts = MainFacts()) {
  const auto record = MakeJobRecord(JobOf(lines), facts);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() ? record->plan : JobPlan();
}

TEST(SpecificationTest, PlansTheMainJob) {
  const JobPlan plan = PlanOf(
      "train: {epochs: 8, batch: 128, shuffle_seed: 5}\n"
      "consistency: {kind: ssp, bound: 4}\n"
      "checkpoint: {every: 10s, keep: 5}\n"
      "evaluate: {every: 1 epoch}\nseed: 9\n");
  EXPECT_EQ(plan.epochs, 8);
  EXPECT_EQ(plan.examples, 60'000);
  EXPECT_EQ(plan.parameters, 235'146);
  EXPECT_EQ(plan.partitions, 15);  // ceil(235,146 / 16,384).
  // 60,000 / (8 * 8 workers) = 937, in whole batches: 7 * 128.
  EXPECT_EQ(plan.shard_size, 896);
  EXPECT_THAT(plan.batch_by_epoch, ElementsAre(128));
  EXPECT_EQ(plan.seed, 5u);
  EXPECT_EQ(plan.consistency.kind, ConsistencyKind::kSsp);
  EXPECT_EQ(plan.consistency.clock_bound, 4);
  EXPECT_EQ(plan.consistency.max_staleness_updates, -1);
  EXPECT_EQ(plan.checkpoint_interval_ms, 10'000);
  EXPECT_EQ(plan.checkpoint_keep, 5);
  EXPECT_EQ(plan.evaluate_every, 1);
  EXPECT_EQ(plan.min_workers, 1);
  EXPECT_EQ(plan.max_workers, 8);
  EXPECT_EQ(plan.quarantine_after, 3);
  EXPECT_EQ(plan.oracle_width, 0);
}

TEST(SpecificationTest, OrderHasTheJobsSeedUnlessItHasItsOwn) {
  EXPECT_EQ(PlanOf("seed: 9\n").seed, 9u);
  EXPECT_EQ(PlanOf("").seed, 1u);
}

TEST(SpecificationTest, ItemsAreTwoSecondsOfWorkAtMost) {
  JobFacts facts = MainFacts();
  facts.examples = 10'000'000;
  facts.examples_per_second = 1000;
  // 2,000 examples, in whole batches: 15 * 128.
  EXPECT_EQ(PlanOf("", facts).shard_size, 1920);
  // Guessed: 1e10 / 6 / 235,146 = 7,087.8 a second, 14,175 in two: 110 * 128.
  facts.examples_per_second = 0;
  EXPECT_EQ(PlanOf("workers: {max: 8}\n", facts).shard_size, 14'080);
  // Smaller where there may be many workers, 390 here.
  EXPECT_EQ(PlanOf("", facts).shard_size, 3200);
}

TEST(SpecificationTest, ItemsHoldAtLeastTheLargestBatch) {
  JobFacts facts = MainFacts();
  facts.examples = 5000;
  EXPECT_EQ(PlanOf("train: {batch: 100, batch_growth: {factor: 2, every: 1 "
                   "epochs, max: 400}}\n",
                   facts)
                .shard_size,
            400);
  facts.examples = 50;
  EXPECT_EQ(PlanOf("train: {batch: 50}\n", facts).shard_size, 50);
}

TEST(SpecificationTest, ItemSizeCanBeGiven) {
  EXPECT_EQ(PlanOf("train: {item_examples: 1000}\n").shard_size, 1000);
  EXPECT_EQ(PlanOf("train: {item_examples: 99999999}\n").shard_size, 60'000);
}

TEST(SpecificationTest, BatchesGrowByEpochUntilTheLargest) {
  EXPECT_THAT(PlanOf("train: {epochs: 20, batch: 100, batch_growth: {factor: 3,"
                     " every: 2 epochs, max: 500}}\n")
                  .batch_by_epoch,
              ElementsAre(100, 100, 300, 300, 500));
  EXPECT_THAT(PlanOf("train: {epochs: 4, batch: 100, batch_growth: {factor: 3,"
                     " every: 2 epochs, max: 500}}\n")
                  .batch_by_epoch,
              ElementsAre(100, 100, 300));
}

TEST(SpecificationTest, BspIsSspWithBoundZero) {
  const JobPlan plan = PlanOf("consistency: {kind: bsp, max_staleness: 7}\n");
  EXPECT_EQ(plan.consistency.kind, ConsistencyKind::kSsp);
  EXPECT_EQ(plan.consistency.clock_bound, 0);
  EXPECT_EQ(plan.consistency.max_staleness_updates, 7);
}

TEST(SpecificationTest, LocalStepsAreOfAspAlone) {
  EXPECT_EQ(PlanOf("consistency: asp\n").consistency.local_steps, 16);
  EXPECT_EQ(PlanOf("consistency: {local_steps: 0}\n").consistency.local_steps,
            0);
  EXPECT_EQ(PlanOf("consistency: ssp\n").consistency.local_steps, 0);
  EXPECT_EQ(PlanOf("consistency: rounds\n").consistency.local_steps, 0);
}

TEST(SpecificationTest, TheAlgorithmSaysWhenWorkersPullAndPush) {
  EXPECT_EQ(PlanOf("").algorithm, AlgorithmPlan());
  EXPECT_EQ(PlanOf("algorithm: dynsgd\n").algorithm, AlgorithmPlan());
  const AlgorithmPlan adag = PlanOf("algorithm: adag\n").algorithm;
  EXPECT_EQ(adag.push_batches, 5);
  EXPECT_EQ(adag.pull_batches, 5);
  EXPECT_TRUE(adag.has_local_rule());
  EXPECT_FALSE(adag.keeps_effect);
  const AlgorithmPlan downpour =
      PlanOf("algorithm: {kind: downpour, push_every: 4, pull_every: 2}\n")
          .algorithm;
  EXPECT_EQ(downpour.push_batches, 4);
  EXPECT_EQ(downpour.pull_batches, 2);
}

TEST(SpecificationTest, CopiesWaitForServersAndWantLongItems) {
  const JobPlan plan = PlanOf("algorithm: {kind: eamsgd, push_every: 4}\n");
  EXPECT_TRUE(plan.algorithm.keeps_effect);
  EXPECT_TRUE(plan.algorithm.pulls_to_push);
  EXPECT_EQ(plan.consistency.local_steps, 0);
  EXPECT_EQ(plan.shard_size, 10 * 4 * 128);
}

TEST(SpecificationTest, LocalSgdPushesWholeItems) {
  const JobPlan plan = PlanOf(
      "algorithm: local_sgd\nconsistency: {kind: rounds, examples: 1024}\n"
      "workers: {max: 4}\n");
  EXPECT_EQ(plan.algorithm.push_batches, 0);
  EXPECT_EQ(plan.shard_size, 256);
}

TEST(SpecificationTest, OperationsCloseTheRoundsOfLbfgs) {
  const JobPlan plan = PlanOf(
      "algorithm: lbfgs\nconsistency: {kind: rounds, examples: epoch}\n");
  EXPECT_EQ(plan.algorithm, AlgorithmPlan{.operated = true});
  EXPECT_EQ(plan.RoundExamples(0), 60'000);
}

TEST(SpecificationTest, ItemsAreWholePushes) {
  // Without, seven batches.
  EXPECT_EQ(PlanOf("algorithm: {kind: adag, push_every: 3}\n").shard_size,
            6 * 128);
  EXPECT_EQ(PlanOf("algorithm: {kind: adag, push_every: 20}\n").shard_size,
            20 * 128);
}

TEST(SpecificationTest, FiltersAreNamedForEachDirection) {
  EXPECT_EQ(PlanOf("").filters, FilterPlan());
  EXPECT_EQ(PlanOf("filters: {push: int8, pull: bf16}\n").filters,
            (FilterPlan{{FilterKind::kInt8}, {FilterKind::kBfloat16}}));
  EXPECT_EQ(PlanOf("filters: {pull: {kind: fp16}}\n").filters,
            (FilterPlan{{}, {FilterKind::kFloat16}}));
  EXPECT_EQ(PlanOf("filters: {push: {kind: threshold, threshold: 1e-3}}\n")
                .filters.push,
            (Filter{.kind = FilterKind::kThreshold, .threshold = 1e-3}));
  EXPECT_EQ(PlanOf("filters: {push: top_k}\n").filters.push,
            (Filter{.kind = FilterKind::kTopK, .share = 0.01}));
}

TEST(SpecificationTest, WhatKeepsPartsOfGradientsBackWaitsForServers) {
  EXPECT_EQ(PlanOf("filters: {push: int8}\n").consistency.local_steps, 16);
  EXPECT_EQ(PlanOf("filters: {push: threshold}\n").consistency.local_steps, 16);
  EXPECT_EQ(PlanOf("filters: {push: top_k}\n").consistency.local_steps, 0);
}

TEST(SpecificationTest, ARoundOfAnEpochHasAllItsItems) {
  const JobPlan plan = PlanOf("consistency: rounds\n");
  EXPECT_EQ(plan.shard_size, 896);
  EXPECT_EQ(plan.consistency.round_items, 67);
  EXPECT_EQ(plan.RoundsPerEpoch(), 1);
}

TEST(SpecificationTest, AGlobalBatchIsSplitIntoItems) {
  // Four batches of 128 in 512.
  JobPlan plan = PlanOf("consistency: {kind: rounds, examples: 512}\n");
  EXPECT_EQ(plan.shard_size, 128);
  EXPECT_EQ(plan.consistency.round_items, 4);
  // 32 batches, but 8 workers: 512 examples each.
  plan = PlanOf("consistency: {kind: rounds, examples: 4096}\n");
  EXPECT_EQ(plan.shard_size, 512);
  EXPECT_EQ(plan.consistency.round_items, 8);
  // 500 are four items of 125.
  plan = PlanOf("consistency: {kind: rounds, examples: 500}\n");
  EXPECT_EQ(plan.shard_size, 125);
  EXPECT_EQ(plan.consistency.round_items, 4);
  // Rounded up to whole items of the given size.
  plan = PlanOf(
      "consistency: {kind: rounds, examples: 500}\n"
      "train: {item_examples: 200}\n");
  EXPECT_EQ(plan.consistency.round_items, 3);
  // More than an epoch is an epoch.
  plan = PlanOf("consistency: {kind: rounds, examples: 99999999}\n");
  EXPECT_EQ(plan.RoundsPerEpoch(), 1);
}

TEST(SpecificationTest, PoliciesPartitionsAndOracleComeFromTheJob) {
  const JobPlan plan = PlanOf(
      "on_poison: skip\non_nonfinite: pause\nquarantine_after: 100\n"
      "priority: -7\n"
      "partitions: 3\noracle: {width: 6}\nworkers: {min: 2, max: 5}\n");
  EXPECT_EQ(plan.on_poison, PoisonPolicy::kSkip);
  EXPECT_EQ(plan.on_nonfinite, PoisonPolicy::kPause);
  EXPECT_EQ(plan.quarantine_after, 100);
  EXPECT_EQ(plan.priority, -7);
  EXPECT_EQ(plan.partitions, 3);
  EXPECT_EQ(plan.oracle_width, 6);
  EXPECT_EQ(plan.min_workers, 2);
  EXPECT_EQ(plan.max_workers, 5);
}

TEST(SpecificationTest, ARollbackComesFromTheJob) {
  JobPlan plan = PlanOf("on_nonfinite: rollback\n");
  EXPECT_EQ(plan.on_nonfinite, PoisonPolicy::kRollBack);
  EXPECT_EQ(plan.nonfinite_rollback, (NonfiniteRollback{0.5, 2, 3}));
  plan = PlanOf(
      "on_nonfinite: rollback\ncheckpoint: {keep: 5}\n"
      "on_nonfinite_rollback: {factor: 0.1, versions: 4, most: 7}\n");
  EXPECT_EQ(plan.nonfinite_rollback, (NonfiniteRollback{0.1, 4, 7}));
}

TEST(SpecificationTest, ManyParametersMakeSixtyFourPartitions) {
  JobFacts facts = MainFacts();
  facts.tables = {{"w", 64 * 16'384 + 1, InitRule::Zeros()}};
  EXPECT_EQ(PlanOf("", facts).partitions, 64);
  facts.tables = {{"w", 3, InitRule::Zeros()}};
  EXPECT_EQ(PlanOf("", facts).partitions, 1);
}

TEST(SpecificationTest, LargeModelsMakePartitionsOfABoundedSize) {
  JobFacts facts = MainFacts();
  facts.tables = {{"w", int64_t{100} << 26, InitRule::Zeros()}};  // 25 GiB.
  const JobPlan plan = PlanOf("", facts);
  EXPECT_EQ(plan.partitions, 100);
  EXPECT_EQ(plan.MostPartitionFloats() * 4, int64_t{256} << 20);
  EXPECT_EQ(plan.cut_floats, 0);
}

// Bug: five of six partitions of 2,914 parameters were empty, and a server
// without a parameter stopped the job when it died.
TEST(SpecificationTest, EachPartitionHoldsSomething) {
  JobFacts facts = MainFacts();
  for (const int64_t parameters : {1, 5, 6, 7, 40, 2914, 20'000, 90'000}) {
    facts.tables = {{"w", parameters, InitRule::Zeros()}};
    const JobPlan plan = PlanOf("partitions: 6\n", facts);
    EXPECT_EQ(plan.partitions, std::min<int64_t>(6, parameters));
    int64_t sum = 0, least = parameters, most = 0;
    for (int32_t p = 0; p < plan.partitions; ++p) {
      const auto [first, last] = plan.ParameterRange(PartitionId(p));
      EXPECT_EQ(first, sum);
      EXPECT_LT(first, last);
      sum = last;
      least = std::min(least, last - first);
      most = std::max(most, last - first);
    }
    EXPECT_EQ(sum, parameters);
    EXPECT_LE(most, plan.MostPartitionFloats());
    EXPECT_LE(most, 3 * least) << parameters;
  }
}

TEST(SpecificationTest, SparseTablesMakeSixteenPartitions) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows", .width = 4}};
  facts.tables = {};
  EXPECT_EQ(PlanOf("", facts).partitions, 16);
  facts.tables = {{"w", 3, InitRule::Zeros()}};
  EXPECT_EQ(PlanOf("", facts).partitions, 16);
  facts.tables = {{"w", 40 * 16'384, InitRule::Zeros()}};
  EXPECT_EQ(PlanOf("", facts).partitions, 40);
  facts.tables = {{"w", 100 * 16'384, InitRule::Zeros()}};
  EXPECT_EQ(PlanOf("", facts).partitions, 64);
}

TEST(SpecificationTest, LayoutHashNamesDataOrderAndGrid) {
  const JobPlan plan = PlanOf("");
  EXPECT_EQ(plan.layout_hash, LayoutHash(77, 1, plan));
  EXPECT_NE(LayoutHash(78, 1, plan), plan.layout_hash);
  EXPECT_NE(LayoutHash(77, 2, plan), plan.layout_hash);
  JobPlan other = plan;
  other.shard_size += 1;
  EXPECT_NE(LayoutHash(77, 1, other), plan.layout_hash);
  other = plan;
  other.batch_by_epoch = {64};
  EXPECT_NE(LayoutHash(77, 1, other), plan.layout_hash);
  other = plan;
  other.seed = 2;
  EXPECT_NE(LayoutHash(77, 1, other), plan.layout_hash);
}

TEST(SpecificationTest, SpecificationComesBackWithDefaultsAndTables) {
  const auto record = MakeJobRecord(JobOf("name: my-job\n"), MainFacts());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->name, "my-job");
  const auto specification = ReadSpecification(*record);
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(specification->job().train().epochs(), 10);
  EXPECT_EQ(specification->source(), "the text");
  EXPECT_EQ(specification->train_index(), "train");
  EXPECT_EQ(specification->test_index(), "test");
  const auto tables = TablesOf(*specification, record->plan);
  ASSERT_TRUE(tables.ok()) << tables.status();
  ASSERT_EQ(tables->size(), 6u);
  EXPECT_EQ((*tables)[0].name, "w1");
  EXPECT_EQ((*tables)[0].size, 200'704);
  EXPECT_EQ((*tables)[0].init, InitRule::Normal(0.05f));
  EXPECT_EQ((*tables)[1].init, InitRule::Zeros());
  EXPECT_EQ((*tables)[2].init, InitRule::Uniform(0.1f));
  EXPECT_EQ((*tables)[4].init, InitRule::Constant(0.5f));
}

v1::Job ProgramJob(const std::string& tables) {
  return JobOf("", absl::StrCat("model: {kind: program, tables: ", tables,
                                "}\ndata: {train: {positions: 1000}}\n"));
}

TEST(SpecificationTest, TablesOfAProgramAreInTheOrderOfTheBytesOfTheirNames) {
  v1::Job job = ProgramJob(
      "{b: {dims: [2, 3], init: {kind: normal, spread: 0.5}}, a.w: {dims: [4], "
      "init: {kind: constant, value: -2}}, B: {dims: [5], init: uniform}, "
      "a: {dims: [1]}}");
  FillDefaults(&job);
  const auto tables = ProgramTablesOf(job.model());
  ASSERT_TRUE(tables.ok()) << tables.status();
  ASSERT_EQ(tables->size(), 4u);
  EXPECT_EQ((*tables)[0].name, "B");
  EXPECT_EQ((*tables)[0].init, InitRule::Uniform(0.01f));
  EXPECT_EQ((*tables)[1].name, "a");
  EXPECT_EQ((*tables)[1].init, InitRule::Zeros());
  EXPECT_EQ((*tables)[2].name, "a.w");
  EXPECT_EQ((*tables)[2].init, InitRule::Constant(-2));
  EXPECT_EQ((*tables)[3].name, "b");
  EXPECT_EQ((*tables)[3].size, 6);
  EXPECT_THAT((*tables)[3].dims, ElementsAre(2, 3));
  EXPECT_EQ((*tables)[3].init, InitRule::Normal(0.5f));

  JobFacts facts;
  facts.tables = *tables;
  facts.examples = 1000;
  const auto record = MakeJobRecord(job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->plan.parameters, 16);
  const auto specification = ReadSpecification(*record);
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(specification->format(), 8u);
  const auto read = TablesOf(*specification, record->plan);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT((*read)[3].dims, ElementsAre(2, 3));
  EXPECT_TRUE(TrainingFactsOf(*record)->only_programs);
  v1::Specification damaged = *specification;
  damaged.mutable_tables(3)->set_dims(1, 4);
  EXPECT_THAT(TablesOf(damaged, record->plan).status().message(),
              HasSubstr("other dimensions"));
}

TEST(SpecificationTest, SparseTablesOfAProgramAreThoseOfTheJob) {
  v1::Job job = JobOf("",
                      "model: {kind: program, sparse_tables: {b: {width: 3}, "
                      "a: {width: 16}}}\n"
                      "tables: {a: {max_rows: 160, init: {kind: normal, "
                      "spread: 0.5}}}\n"
                      "data: {train: {positions: 1000}}\n");
  FillDefaults(&job);
  JobFacts facts;
  facts.sparse_tables = ProgramSparseTablesOf(job.model());
  facts.examples = 1000;
  const auto record = MakeJobRecord(job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_EQ(record->plan.sparse_tables.size(), 2u);
  EXPECT_EQ(record->plan.sparse_tables[0].width, 16);
  EXPECT_EQ(record->plan.trained_tables(), 2);
  const auto specification = ReadSpecification(*record);
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(specification->format(), 8u);
  EXPECT_EQ(specification->sparse_tables(0).name(), "a");
  EXPECT_EQ(specification->sparse_tables(0).max_rows(), 10);
  EXPECT_EQ(specification->sparse_tables(1).init(), v1::DenseTable::INIT_ZEROS);
}

TEST(SpecificationTest, OtherTablesOrAnotherFingerprintAreAnotherJob) {
  const auto record_of = [](v1::Job job, absl::string_view index) {
    FillDefaults(&job);
    JobFacts facts;
    facts.tables = *ProgramTablesOf(job.model());
    facts.examples = 1000;
    facts.train_index = std::string(index);
    const auto record = MakeJobRecord(job, facts);
    EXPECT_TRUE(record.ok()) << record.status();
    return record.value_or(JobRecord());
  };
  const JobRecord one = record_of(ProgramJob("{w: {dims: [2, 3]}}"), "a");
  EXPECT_EQ(ContentDifference(one, one), "");
  EXPECT_EQ(
      ContentDifference(one, record_of(ProgramJob("{w: {dims: [3, 2]}}"), "a")),
      "job file");
  v1::Job other = ProgramJob("{w: {dims: [2, 3]}}");
  other.mutable_data()->mutable_train()->mutable_positions()->set_fingerprint(
      "v2");
  EXPECT_EQ(ContentDifference(one, record_of(other, "b")), "job file");
}

TEST(SpecificationTest, RefusesWhatNoJobCanBe) {
  JobFacts facts = MainFacts();
  facts.examples = 0;
  EXPECT_THAT(MakeJobRecord(JobOf(""), facts).status().message(),
              HasSubstr("no examples"));
  facts = MainFacts();
  facts.tables.clear();
  EXPECT_THAT(MakeJobRecord(JobOf(""), facts).status().message(),
              HasSubstr("no parameters"));
  facts.tables = {{"w", -1, InitRule::Zeros()}};
  EXPECT_THAT(MakeJobRecord(JobOf(""), facts).status().message(),
              HasSubstr("table w has -1 elements"));
}

TEST(SpecificationTest, InitialValuesOfAFileAreNamedByTheirContent) {
  v1::Job job = JobOf("");
  JobFacts facts = MainFacts();
  job.mutable_model()->set_initial("begin.safetensors");
  EXPECT_THAT(MakeJobRecord(job, facts).status().message(),
              HasSubstr("model.initial: the specification does not say"));
  facts.initial.emplace();
  facts.initial->set_id("abc");
  facts.initial->set_bytes(8);
  EXPECT_THAT(MakeJobRecord(job, facts).status().message(),
              HasSubstr("model.initial: 8 bytes for "));
  facts.initial->set_bytes(4 * PlanOf("").parameters);
  const auto record = MakeJobRecord(job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  v1::Specification specification = *ReadSpecification(*record);
  // Older daemons would begin by the tables' own rules.
  EXPECT_EQ(specification.format(), 8u);
  const auto initial = InitialValuesOf(specification, record->plan);
  ASSERT_TRUE(initial.ok()) << initial.status();
  EXPECT_EQ((*initial)->id(), "abc");
  specification.mutable_job()->mutable_model()->clear_initial();
  EXPECT_TRUE(absl::IsInvalidArgument(
      InitialValuesOf(specification, record->plan).status()));
  specification.clear_initial();
  EXPECT_FALSE(InitialValuesOf(specification, record->plan)->has_value());
}

TEST(SpecificationTest, AFileMayHaveTheStateOfTheOptimizer) {
  v1::Job job = JobOf("");
  JobFacts facts = MainFacts();
  const auto parameters = PlanOf("").parameters;
  const auto tables = static_cast<int>(facts.tables.size());
  job.mutable_model()->set_initial("begin.safetensors");
  v1::InitialValues& initial = facts.initial.emplace();
  initial.set_id("abc");
  initial.set_bytes(4 * parameters * 3);
  initial.set_slots(2);
  const auto says = [&](const std::string& what) {
    EXPECT_THAT(MakeJobRecord(job, facts).status().message(), HasSubstr(what));
  };
  says("the steps of 0 tables instead of ");
  for (int t = 0; t < tables; ++t) initial.add_steps(t);
  const auto record = MakeJobRecord(job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  // Older daemons would begin with slots by the rules.
  EXPECT_EQ(ReadSpecification(*record)->format(), 13u);
  initial.set_steps(0, -1);
  says("-1 steps");
  initial.set_steps(0, 0);
  initial.set_bytes(4 * parameters);
  says(" parameters with 2 slots");
  initial.set_slots(-1);
  says("-1 slots");
  initial.set_slots(9);
  says("9 slots");
  // Lbfgs has slots of its own.
  initial.set_slots(2);
  initial.set_bytes(4 * parameters * 3);
  job =
      JobOf("algorithm: lbfgs\nconsistency: {kind: rounds, examples: epoch}\n");
  job.mutable_model()->set_initial("begin.safetensors");
  says("rounds of this job are closed without one");
}

TEST(SpecificationTest, UnreadableSpecificationsAreRefused) {
  JobRecord record;
  record.name = "j";
  record.specification = "no message";
  EXPECT_TRUE(absl::IsDataLoss(ReadSpecification(record).status()));
  record.specification.clear();
  EXPECT_TRUE(absl::IsDataLoss(ReadSpecification(record).status()));
  v1::Specification newer;
  newer.set_format(20);
  record.specification = newer.SerializeAsString();
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadSpecification(record).status()));
}

// Of a plugin, as whoever submits the job loaded it.
class Loaded final : public Algorithm {
 public:
  Loaded(const AlgorithmPlan& plan, bool adds) : plan_(plan), adds_(adds) {}
  AlgorithmPlan Plan() const override { return plan_; }
  PushKind Pushes() const override {
    return adds_ ? PushKind::kChanges : PushKind::kGradients;
  }

 private:
  const AlgorithmPlan plan_;
  const bool adds_;
};

TEST(SpecificationTest, AnAlgorithmOfAPluginIsDataForServers) {
  const AlgorithmPlan plan = {
      .push_batches = 3, .pull_batches = 3, .worker_vectors = 2};
  const v1::Job job = JobOf("algorithm: {plugin: liba.so}\n");
  JobFacts facts = MainFacts();
  EXPECT_FALSE(MakeJobRecord(job, facts).ok());  // Nobody loaded it.
  for (const bool adds : {false, true}) {
    facts.algorithm = std::make_shared<Loaded>(plan, adds);
    const auto record = MakeJobRecord(job, facts);
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(record->plan.algorithm, plan);
    const auto read = ReadSpecification(*record);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->format(), 4u);
    const auto servers = ServersAlgorithmOf(*read);
    ASSERT_TRUE(servers.ok()) << servers.status();
    EXPECT_EQ((*servers)->Pushes() == PushKind::kChanges, adds);
  }
}

TEST(SpecificationTest, WhatAPluginsAlgorithmDoesNotGoWithIsRefused) {
  const AlgorithmPlan some = {.push_batches = 3, .worker_vectors = 1};
  const AlgorithmPlan whole = {
      .push_batches = 0, .pull_batches = 0, .worker_vectors = 1};
  const auto made = [](const std::string& keys, const AlgorithmPlan& plan) {
    JobFacts facts = MainFacts();
    facts.algorithm = std::make_shared<Loaded>(plan, true);
    return MakeJobRecord(JobOf("algorithm: {plugin: liba.so}\n" + keys), facts)
        .status();
  };
  const std::string rounds = "consistency: {kind: rounds, examples: 1024}\n";
  EXPECT_TRUE(absl::IsInvalidArgument(made(rounds, some)));
  EXPECT_TRUE(made(rounds, whole).ok()) << made(rounds, whole);
  EXPECT_TRUE(absl::IsInvalidArgument(made("optimizer: adam\n", some)));
  EXPECT_TRUE(absl::IsInvalidArgument(made("filters: {push: top_k}\n", some)));
  EXPECT_TRUE(made("filters: {push: int8}\n", some).ok());
  // Bug: that both keep parts of gradients was said of no key.
  JobFacts facts = MainFacts();
  facts.algorithm = std::make_shared<Loaded>(
      AlgorithmPlan{
          .push_batches = 3, .worker_vectors = 1, .keeps_effect = true},
      false);
  const v1::Job job =
      JobOf("algorithm: {plugin: liba.so}\nfilters: {push: top_k}\n");
  EXPECT_THAT(MakeJobRecord(job, facts).status().message(),
              HasSubstr("filters.push.kind: leaves out values of what the "
                        "algorithm of liba.so pushes"));
}

// A daemon that does not know of an algorithm must not train by sgd.
TEST(SpecificationTest, OnlyJobsWithAnAlgorithmNeedANewerReader) {
  const auto format_of = [](const std::string& lines) -> uint32_t {
    const auto record = MakeJobRecord(JobOf(lines), MainFacts());
    EXPECT_TRUE(record.ok()) << record.status();
    if (!record.ok()) return 0;
    const auto specification = ReadSpecification(*record);
    EXPECT_TRUE(specification.ok()) << specification.status();
    return specification.ok() ? specification->format() : 0;
  };
  EXPECT_EQ(format_of(""), 7u);
  EXPECT_EQ(format_of("algorithm: sgd\n"), 1u);
  EXPECT_EQ(format_of("algorithm: sgd\ndevice: auto\n"), 1u);
  EXPECT_EQ(format_of("algorithm: sgd\n"
                      "device: {kind: gpu, precision: tf32}\n"),
            5u);
  EXPECT_EQ(format_of("algorithm: dynsgd\n"), 2u);
  EXPECT_EQ(format_of("algorithm: adag\n"), 3u);
  EXPECT_EQ(format_of("algorithm: lbfgs\n"
                      "consistency: {kind: rounds, examples: epoch}\n"),
            4u);
}

TEST(SpecificationTest, FreezesTables) {
  const v1::Job job = JobOf("algorithm: sgd\nfreeze: [w1, b2]\n");
  const auto record = MakeJobRecord(job, MainFacts());
  ASSERT_TRUE(record.ok()) << record.status();
  const v1::Specification specification = *ReadSpecification(*record);
  // An older daemon would train them.
  EXPECT_EQ(specification.format(), 14u);
  const auto tables = TablesOf(specification, record->plan);
  ASSERT_TRUE(tables.ok()) << tables.status();
  EXPECT_TRUE((*tables)[0].frozen);
  EXPECT_FALSE((*tables)[1].frozen);
  EXPECT_TRUE((*tables)[3].frozen);
  const auto trained = TrainedRangesOf(*record);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ((*trained)->floats(), 256 + 256 * 128 + 1280 + 10);
  const auto none = TrainedRangesOf(*MakeJobRecord(JobOf(""), MainFacts()));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(*none, nullptr);
}

TEST(SpecificationTest, RefusesToFreezeWhatItCannot) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows"}};
  const auto says = [&](const std::string& tables,
                        const std::string& rows = "") {
    std::string lines = "algorithm: sgd\nfreeze: [" + tables + "]\n";
    if (!rows.empty()) lines += "tables: {rows: {" + rows + "}}\n";
    const v1::Job job =
        JobOf(lines,
              "model: sparse_logistic\ndata: {train: {libsvm: {path: a, keys: "
              "true}}}\n");
    return std::string(MakeJobRecord(job, facts).status().message());
  };
  EXPECT_THAT(says("w4"), HasSubstr("has no table w4"));
  EXPECT_THAT(says("row"), HasSubstr("hint: rows"));
  EXPECT_EQ(says("w1, b1, w2, b2, w3, b3"), "");
  EXPECT_THAT(says("w1, b1, w2, b2, w3, b3, rows"),
              HasSubstr("nothing is left to learn"));
  EXPECT_THAT(says("rows", "expire_after: 100"),
              HasSubstr("tables.rows.expire_after: rows is frozen, and its "
                        "rows get no gradients"));
  EXPECT_THAT(says("rows", "admit: {kind: count, count: 3}"),
              HasSubstr("tables.rows.admit: rows is frozen"));
  EXPECT_THAT(says("rows", "max_rows: 1000, at_limit: evict"),
              HasSubstr("tables.rows.at_limit: rows is frozen"));
  EXPECT_EQ(says("rows", "max_rows: 1000"), "");
  facts.sparse_tables[0].kind = RowKind::kCounts;
  EXPECT_THAT(says("rows"), HasSubstr("examples write the rows of rows"));
  facts.sparse_tables.clear();
  EXPECT_THAT(says("w1, b1, w2, b2, w3, b3"),
              HasSubstr("nothing is left to learn"));
}

TEST(SpecificationTest, FreezesRows) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "a"}, {.name = "b", .width = 3}};
  const auto record =
      MakeJobRecord(JobOf("algorithm: sgd\nfreeze: [b, w1]\n"), facts);
  ASSERT_TRUE(record.ok()) << record.status();
  const v1::Specification specification = *ReadSpecification(*record);
  // An older daemon would train them.
  EXPECT_EQ(specification.format(), 17u);
  EXPECT_THAT(FrozenRowsOf(specification), ElementsAre(false, true));
  // They are pulled, as others.
  EXPECT_EQ(record->plan.trained_tables(), 2);

  const auto none = MakeJobRecord(JobOf("freeze: [w1]\n"), facts);
  ASSERT_TRUE(none.ok()) << none.status();
  const v1::Specification dense = *ReadSpecification(*none);
  EXPECT_EQ(dense.format(), 14u);
  EXPECT_THAT(FrozenRowsOf(dense), IsEmpty());
}

// A daemon that does not know of bounds of tables would let workers run apart.
TEST(SpecificationTest, TablesMayHaveAConsistencyOfTheirOwn) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
  const auto record =
      MakeJobRecord(JobOf(R"(
algorithm: sgd
tables:
  a: {consistency: asp}
  b: {consistency: {kind: ssp}}
)",
                          "model: sparse_logistic\n"
                          "data: {train: {libsvm: {path: a, keys: true}}}\n"),
                    facts);
  ASSERT_TRUE(record.ok()) << record.status();
  const JobPlan& plan = record->plan;
  EXPECT_EQ(plan.sparse_tables[0].clock_bound, SparseTablePlan::kNoBound);
  EXPECT_EQ(plan.sparse_tables[1].clock_bound, 4);
  EXPECT_EQ(plan.sparse_tables[2].clock_bound, SparseTablePlan::kBoundOfJob);
  EXPECT_TRUE(plan.clocked());
  EXPECT_EQ(plan.LeastClockBound(), 4);
  EXPECT_EQ(plan.ClockBoundOf(2), plan.DenseClockBound());
  EXPECT_EQ(ReadSpecification(*record)->format(), 4u);
}

TEST(SpecificationTest, WorkersMayKeepRowsOfATable) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "a"}, {.name = "b"}};
  const auto record_of = [&](const std::string& tables) {
    return MakeJobRecord(JobOf("tables:\n" + tables,
                               "model: sparse_logistic\n"
                               "data: {train: {libsvm: {path: a, keys: "
                               "true}}}\n"),
                         facts);
  };
  const auto record = record_of(
      "  a: {cache: {rows: 9, batches: 2}}\n"
      "  b: {consistency: {kind: ssp, bound: 3}, cache: {rows: 8}}\n");
  ASSERT_TRUE(record.ok()) << record.status();
  const JobPlan& plan = record->plan;
  EXPECT_EQ(plan.sparse_tables[0].cache_rows, 9);
  EXPECT_EQ(plan.sparse_tables[0].cache_batches, 2);
  EXPECT_EQ(plan.sparse_tables[1].cache_rows, 8);
  EXPECT_EQ(plan.sparse_tables[1].cache_batches, 0);
  EXPECT_TRUE(plan.Validate().ok());
  EXPECT_THAT(record_of("  a: {consistency: bsp, cache: {rows: 9}}\n")
                  .status()
                  .message(),
              HasSubstr("tables.a.cache: each batch needs the newest"));
  EXPECT_THAT(record_of("  a: {consistency: asp, cache: {rows: 9}}\n")
                  .status()
                  .message(),
              HasSubstr("tables.a.cache.batches: is missing"));
}

TEST(SpecificationTest, DynSgdIsRefusedForATableWithFtrl) {
  JobFacts facts = MainFacts();
  v1::Optimizer ftrl;
  ftrl.set_kind(v1::Optimizer::KIND_FTRL);
  facts.sparse_tables = {{.name = "rows", .width = 1, .optimizer = ftrl}};
  EXPECT_TRUE(MakeJobRecord(JobOf(""), facts).ok());
  const auto refused = MakeJobRecord(JobOf("algorithm: dynsgd\n"), facts);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(refused.status().message(), HasSubstr("table rows"));
}

constexpr char kKeyed[] = "model: wide_deep\ndata: {train: {criteo: a.tsv}}\n";

TEST(SpecificationTest, SparseTablesHaveWhatTheJobFileSaysOfThem) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "wide", .width = 1},
                         {.name = "deep", .width = 8}};
  const auto record = MakeJobRecord(JobOf(R"(
partitions: 16
tables:
  deep:
    optimizer: {kind: adagrad, rate: 0.25}
    init: {kind: normal, spread: 0.5}
    admit: {kind: count, count: 3, counters: 4096}
    expire_after: 1000
    max_rows: 100
    at_limit: evict
  wide: {admit: {kind: probability, probability: 0.25}}
)",
                                          kKeyed),
                                    facts);
  ASSERT_TRUE(record.ok()) << record.status();
  const auto specification = ReadSpecification(*record);
  ASSERT_TRUE(specification.ok());
  const auto tables = SparseTablesOf(*specification, record->plan);
  ASSERT_TRUE(tables.ok()) << tables.status();

  const SparseTable& wide = (*tables)[0];
  EXPECT_FALSE(wide.optimizer.has_value());
  EXPECT_EQ(wide.admission.probability(), 0.25);
  EXPECT_EQ(wide.admission.count(), 0);
  EXPECT_EQ(wide.max_rows, 0);
  EXPECT_FALSE(wide.evict);

  const SparseTable& deep = (*tables)[1];
  ASSERT_TRUE(deep.optimizer.has_value());
  EXPECT_EQ(deep.optimizer->kind(), v1::Optimizer::KIND_ADAGRAD);
  EXPECT_EQ(deep.optimizer->rate(), 0.25);
  EXPECT_EQ(deep.optimizer->initial_accumulator(), 0.1);  // The default.
  EXPECT_EQ(deep.init, InitRule::Normal(0.5F));
  EXPECT_EQ(deep.admission.count(), 3);
  EXPECT_EQ(deep.admission.counters(), 4096);
  EXPECT_EQ(deep.expire_after_examples, 1000);
  EXPECT_EQ(deep.max_rows, 7);  // 100 in 16 equal shares, rounded up.
  EXPECT_TRUE(deep.evict);
}

// Records of one job are compared by their bytes.
TEST(SpecificationTest, TheSameJobHasTheSameBytes) {
  JobFacts facts = MainFacts();
  std::string lines = "tables: {";
  for (int i = 0; i < 10; ++i) {
    const std::string name = absl::StrCat("t", i);
    facts.sparse_tables.push_back({.name = name});
    absl::StrAppend(&lines, i == 0 ? "" : ", ", name, ": {max_rows: 5}");
  }
  lines += "}\n";
  const auto first = MakeJobRecord(JobOf(lines, kKeyed), facts);
  ASSERT_TRUE(first.ok()) << first.status();
  for (int i = 0; i < 20; ++i) {
    const auto record = MakeJobRecord(JobOf(lines, kKeyed), facts);
    ASSERT_TRUE(record.ok());
    ASSERT_EQ(record->specification, first->specification);
  }
}

// A server would refuse it, long after the job was said to be good.
TEST(SpecificationTest, AnyLimitOfRowsIsOneThatAPartitionCanHave) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "wide"}};
  const auto record = MakeJobRecord(
      JobOf("partitions: 1\ntables: {wide: {max_rows: 1099511627776}}\n",
            kKeyed),
      facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(ReadSpecification(*record)->sparse_tables(0).max_rows(),
            int64_t{1} << 31);
}

// Bug: 4 million tables without a row took 10 GB of the servers.
TEST(SpecificationTest, MoreTablesThanServersCanKeepAreRefused) {
  JobFacts facts = MainFacts();
  for (int t = 0; t < kMaxSparseTables; ++t) {
    facts.sparse_tables.push_back({.name = absl::StrCat("t", t)});
  }
  EXPECT_TRUE(MakeJobRecord(JobOf("partitions: 2048\n", kKeyed), facts).ok());
  EXPECT_EQ(
      MakeJobRecord(JobOf("partitions: 2049\n", kKeyed), facts).status(),
      absl::InvalidArgumentError(
          "partitions: 2049 partitions of 64 sparse tables are 131136 tables "
          "for servers to keep, 131072 possible\nhint: partitions: 2048"));
  facts.sparse_tables.resize(32);
  EXPECT_TRUE(MakeJobRecord(JobOf("partitions: 4096\n", kKeyed), facts).ok());
}

// Bug: the message was one of a plan, and of no key.
TEST(SpecificationTest, WhatMakesRowsTooWideIsNamed) {
  JobFacts facts = MainFacts();
  const auto refusal = [&](const std::string& model) {
    return std::string(
        MakeJobRecord(
            JobOf("", absl::StrCat("model: ", model,
                                   "\ndata: {train: {libffm: a.ffm}}\n")),
            facts)
            .status()
            .message());
  };
  facts.sparse_tables = {{.name = "factors", .width = 4096}};
  EXPECT_EQ(refusal("{kind: ffm, rank: 8}"), "");
  facts.sparse_tables[0].width = 8 * 600;
  EXPECT_EQ(refusal("{kind: ffm, rank: 8}"),
            "model.rank: rows of table factors would have 4800 numbers, 1 to "
            "4096 possible\nhint: rank: 6");
  facts.sparse_tables[0].width = 5000;
  EXPECT_EQ(refusal("{kind: ffm, rank: 1}"),
            "model.rank: rows of table factors would have 5000 numbers, 1 to "
            "4096 possible\nhint: data with fewer fields");
  facts.sparse_tables = {{.name = "embeddings", .width = 4097}};
  EXPECT_THAT(refusal("{kind: deepfm, dim: 16}"),
              HasSubstr("model.dim: rows of table embeddings"));
  EXPECT_THAT(refusal("sparse_logistic"),
              HasSubstr("model: rows of table embeddings"));
}

// Bug: the message was said of line 1.
TEST(SpecificationTest, RoundsAreRefusedForSparseTablesByTheirKey) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows"}};
  EXPECT_EQ(MakeJobRecord(JobOf("consistency: rounds\n"), facts).status(),
            absl::InvalidArgumentError(
                "consistency.kind: sparse tables need asp or ssp; rounds know "
                "none\nhint: consistency: asp"));
}

// Readers of before would look for files of another form.
TEST(SpecificationTest, RecordsNeedTheNewestFormat) {
  v1::Job job = JobOf("");
  v1::DataSource& train = *job.mutable_data()->mutable_train();
  train.mutable_tf_record()->add_path("f");
  (*train.mutable_features())["x"].set_as(v1::Feature::AS_DENSE);
  (*train.mutable_features())["y"].set_as(v1::Feature::AS_LABEL);
  const auto record = MakeJobRecord(job, MainFacts());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(ReadSpecification(*record)->format(), 12u);
}

TEST(SpecificationTest, ItemsDoNotCrossWindows) {
  JobFacts facts = MainFacts();
  facts.window = 16'384;
  // 896 without windows.
  EXPECT_EQ(PlanOf("train: {epochs: 8, batch: 128}\n", facts).shard_size, 512);
  EXPECT_EQ(PlanOf("train: {batch: 900}\n", facts).shard_size, 1024);
  EXPECT_EQ(PlanOf("train: {item_examples: 4096}\n", facts).shard_size, 4096);
  const auto record = MakeJobRecord(JobOf("name: a\n"), facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(ReadSpecification(*record)->format(), 12u);
  for (const auto& [items, hint] :
       {std::pair(1000, 512), {20'000, 16'384}, {384, 256}}) {
    EXPECT_THAT(
        MakeJobRecord(JobOf(absl::StrCat(
                          "train: {batch: 8, item_examples: ", items, "}\n")),
                      facts)
            .status()
            .message(),
        AllOf(HasSubstr("does not divide the 16384 examples of a window"),
              HasSubstr(absl::StrCat("hint: item_examples: ", hint))));
  }
  EXPECT_THAT(
      MakeJobRecord(JobOf("train: {batch: 20000}\n"), facts).status().message(),
      HasSubstr("larger --window"));
  // One window has no border within.
  facts.window = 65'536;
  EXPECT_EQ(PlanOf("train: {item_examples: 1000}\n", facts).shard_size, 1000);
}

TEST(SpecificationTest, WhatDoesNotFitCouldBePacked) {
  EXPECT_EQ(PackingAdvice({}), "");
  const auto record = MakeJobRecord(JobOf("name: a\n"), MainFacts());
  ASSERT_TRUE(record.ok()) << record.status();
  // All options of the data are in the job file.
  EXPECT_THAT(PackingAdvice(*record),
              HasSubstr("pack it: `ebb data pack JOB.yaml FOLDER`"));
  const auto advice = [](const std::string& model) {
    return PackingAdvice(
        *MakeJobRecord(JobOf("name: a\n", model), MainFacts()));
  };
  EXPECT_THAT(advice("model: softmax\n"
                     "data: {train: {idx: {images: i, labels: l}}}\n"),
              HasSubstr("pack it: `ebb data pack JOB.yaml FOLDER`"));
  EXPECT_EQ(advice("model: softmax\ndata: {train: {packed: p}}\n"), "");
  EXPECT_EQ(advice("model: {kind: kmeans, clusters: 2, restarts: 2}\n"
                   "data: {train: {csv: a.csv}}\n"),
            "");
}

// Bug: likewise.
TEST(SpecificationTest, MoreItemsThanAJobHasAreRefusedByTheirKey) {
  EXPECT_EQ(
      MakeJobRecord(JobOf("train: {epochs: 1000000, batch: 10, item_examples: "
                          "10}\n"),
                    MainFacts())
          .status(),
      absl::InvalidArgumentError(
          "train.item_examples: 10 examples make 6000 items in each of 1000000 "
          "epochs, 4294967296 in all possible\nhint: item_examples: 14"));
  EXPECT_TRUE(
      MakeJobRecord(JobOf("train: {epochs: 1000000, batch: 10, item_examples: "
                          "14}\n"),
                    MainFacts())
          .ok());
}

TEST(SpecificationTest, ATableThatTheModelLacksIsRefusedByName) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "wide"}, {.name = "deep"}};
  const auto refused =
      MakeJobRecord(JobOf("tables: {depe: {max_rows: 5}}\n", kKeyed), facts);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(refused.status().message(), HasSubstr("tables.depe: "));
  EXPECT_THAT(refused.status().message(), HasSubstr("wide, deep"));
}

// No older daemon may train what is to be added.
TEST(SpecificationTest, TablesThatAreNotTrainedAskForANewerReader) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {
      {.name = "a", .width = 2},
      {.name = "b", .width = 3, .kind = RowKind::kCounts},
      {.name = "c", .width = 9, .kind = RowKind::kWriteOnce}};
  const auto record = MakeJobRecord(
      JobOf("algorithm: sgd\ntables: {b: {expire_after: 1000}}\n", kKeyed),
      facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->plan.trained_tables(), 1);
  EXPECT_EQ(record->plan.sparse_tables[2].kind, RowKind::kWriteOnce);
  const auto specification = ReadSpecification(*record);
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(specification->format(), 5u);
  const auto tables = SparseTablesOf(*specification, record->plan);
  ASSERT_TRUE(tables.ok()) << tables.status();
  EXPECT_EQ((*tables)[1].kind, RowKind::kCounts);
  EXPECT_EQ((*tables)[1].expire_after_examples, 1000);

  JobPlan other = record->plan;
  other.sparse_tables[1].kind = RowKind::kAdditive;
  EXPECT_TRUE(
      absl::IsInvalidArgument(SparseTablesOf(*specification, other).status()));
}

TEST(SpecificationTest, WhatIsOfNoUseToATableThatIsWrittenIsRefusedByName) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {
      {.name = "n", .kind = RowKind::kCounts},
      {.name = "w", .width = 9, .kind = RowKind::kWriteOnce}};
  for (const auto& [keys, named] :
       std::vector<std::pair<const char*, const char*>>{
           {"n: {optimizer: adagrad}", "tables.n.optimizer"},
           {"n: {init: {kind: normal, spread: 0.1}}", "tables.n.init"},
           {"n: {admit: {kind: count, count: 3}}", "tables.n.admit"},
           {"n: {consistency: asp}", "tables.n.consistency"},
           {"w: {expire_after: 9}", "tables.w.expire_after"},
           {"w: {max_rows: 9, at_limit: evict}", "tables.w.at_limit"}}) {
    const auto refused = MakeJobRecord(
        JobOf(absl::StrCat("tables: {", keys, "}\n"), kKeyed), facts);
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << keys;
    EXPECT_THAT(refused.status().message(), HasSubstr(named));
  }
  EXPECT_TRUE(MakeJobRecord(JobOf("tables: {n: {max_rows: 9, at_limit: evict}, "
                                  "w: {max_rows: 9}}\n",
                                  kKeyed),
                            facts)
                  .ok());
}

TEST(SpecificationTest, LocalRulesAreRefusedForSparseTables) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows", .width = 1}};
  for (const char* kind : {"aeasgd", "eamsgd"}) {
    const auto refused =
        MakeJobRecord(JobOf(absl::StrCat("algorithm: ", kind, "\n")), facts);
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
    EXPECT_THAT(refused.status().message(), HasSubstr("table rows"));
  }
}

// But for those that have a rule for rows, which are pulled with each batch.
TEST(SpecificationTest, RunsMayHaveTheRowsOfTheirBatches) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows", .width = 1}};
  for (const auto& [kind, vectors] :
       {std::pair{"geo", 3}, {"downpour", 4}, {"adag", 4}}) {
    const auto record = MakeJobRecord(
        JobOf(absl::StrCat("algorithm: {kind: ", kind, ", push_every: 6}\n")),
        facts);
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(
        record->plan.algorithm,
        (AlgorithmPlan{
            .push_batches = 6, .pull_batches = 1, .worker_vectors = vectors}))
        << kind;
    EXPECT_TRUE(record->plan.Validate().ok()) << kind;
    // An older worker would push the rows of the last batch alone.
    EXPECT_EQ(ReadSpecification(*record)->format(), 6u) << kind;
  }
  // Of tables that are written and not trained nothing is pulled.
  facts.sparse_tables[0].kind = RowKind::kCounts;
  const auto written = MakeJobRecord(
      JobOf("algorithm: {kind: downpour, push_every: 6}\n"), facts);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->plan.algorithm.pull_batches, 6);
}

TEST(SpecificationTest, TablesThatAreNotTheParametersAreRefused) {
  v1::Specification specification;
  v1::DenseTable* table = specification.add_tables();
  table->set_name("w");
  table->set_size(5);
  table->set_init(v1::DenseTable::INIT_ZEROS);
  JobPlan plan;
  plan.parameters = 5;
  EXPECT_TRUE(TablesOf(specification, plan).ok());
  plan.parameters = 6;
  EXPECT_FALSE(TablesOf(specification, plan).ok());
  plan.parameters = 4;
  EXPECT_FALSE(TablesOf(specification, plan).ok());
  plan.parameters = 5;
  table->set_init(v1::DenseTable::INIT_UNSPECIFIED);
  EXPECT_FALSE(TablesOf(specification, plan).ok());
}

// The specification of a job with these lines, or the error.
std::string RulesOf(const std::string& lines, const JobFacts& facts,
                    const std::string& table) {
  const auto record = MakeJobRecord(JobOf(lines), facts);
  if (!record.ok()) return std::string(record.status().message());
  const auto specification = ReadSpecification(*record);
  EXPECT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(specification->format(), 9u) << lines;
  const auto tables = TablesOf(*specification, record->plan);
  EXPECT_TRUE(tables.ok()) << tables.status();
  for (const DenseTable& one : *tables) {
    if (one.name != table || !one.optimizer) continue;
    const v1::Optimizer& rule = *one.optimizer;
    return absl::StrCat(KindOf(rule), " ", rule.rate(), " ",
                        rule.weight_decay());
  }
  return "as the job";
}

TEST(SpecificationTest, DenseTablesMayHaveRulesOfTheirOwn) {
  const std::string job = "optimizer: {kind: adamw, rate: 0.01}\n";
  const auto of = [&](const std::string& tables, const std::string& table) {
    return RulesOf(absl::StrCat(job, "tables: ", tables, "\n"), MainFacts(),
                   table);
  };
  EXPECT_EQ(of("{b1: {optimizer: {weight_decay: 0}}}", "b1"), "adamw 0.01 0");
  EXPECT_EQ(of("{b1: {optimizer: {weight_decay: 0}}}", "w1"), "as the job");
  EXPECT_EQ(of("{w3: {rate_factor: 0.5}}", "w3"), "adamw 0.005 0.01");
  EXPECT_EQ(of("{w3: {optimizer: {kind: sgd, rate: 3}, rate_factor: 2}}", "w3"),
            "sgd 6 0");
  EXPECT_EQ(of("{b2: {optimizer: average}}", "b2"), "average 0 0");
}

TEST(SpecificationTest, ADenseTableOfTheModelIsMeant) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows", .width = 2}};
  const auto refused = [&](const std::string& lines) {
    return RulesOf(lines, facts, "");
  };
  EXPECT_THAT(
      refused("tables: {w9: {optimizer: adagrad}}\n"),
      HasSubstr("tables.w9: softmax has no such table\nhint: rows, w1"));
  EXPECT_THAT(refused("tables: {rows: {optimizer: average}}\n"),
              HasSubstr("tables.rows.optimizer.kind: averages the values of a "
                        "dense table"));
  v1::Job job = JobOf("");
  (*job.mutable_tables())["w1"].set_max_rows(5);
  EXPECT_THAT(std::string(MakeJobRecord(job, facts).status().message()),
              HasSubstr("tables.w1.max_rows: is nothing of a dense table"));
  job = JobOf("algorithm: dynsgd\noptimizer: sgd\n");
  (*job.mutable_tables())["w1"].mutable_optimizer()->set_kind(
      v1::Optimizer::KIND_FTRL);
  EXPECT_THAT(std::string(MakeJobRecord(job, facts).status().message()),
              HasSubstr("the optimizer of table w1"));
}

TEST(SpecificationTest, NewRulesAreNothingForOlderDaemons) {
  const auto format = [](const std::string& lines) {
    const auto record = MakeJobRecord(JobOf(lines), MainFacts());
    EXPECT_TRUE(record.ok()) << record.status();
    return ReadSpecification(*record)->format();
  };
  EXPECT_LT(format("optimizer: adam\n"), 8u);
  EXPECT_EQ(format("optimizer: adamw\n"), 9u);
  EXPECT_EQ(format("optimizer: {kind: sgd, weight_decay: 0.1}\n"), 9u);
  EXPECT_EQ(format("optimizer: {kind: sgd, schedule: {kind: table, at: [0, 1], "
                   "factors: [1, 0]}}\n"),
            9u);
}

// Their figures would be of the other class.
TEST(SpecificationTest, APositiveClassIsNothingForOlderDaemons) {
  v1::Job job = JobOf("algorithm: sgd\n");
  JobFacts facts = MainFacts();
  facts.positive_class = "stayed";
  const auto read = [&] {
    return *ReadSpecification(*MakeJobRecord(job, facts));
  };
  EXPECT_EQ(read().format(), 1u);
  EXPECT_EQ(read().positive_class(), "stayed");
  const JobRecord older = *MakeJobRecord(job, MainFacts());
  EXPECT_EQ(ContentDifference(older, *MakeJobRecord(job, facts)), "");
  job.mutable_data()->set_positive("left");
  EXPECT_EQ(read().format(), 18u);
}

TEST(SpecificationTest, AveragesOfWeightsAreNothingForOlderDaemons) {
  const auto format = [](const std::string& lines) {
    const auto record = MakeJobRecord(JobOf(lines), MainFacts());
    EXPECT_TRUE(record.ok()) << record.status();
    return ReadSpecification(*record)->format();
  };
  EXPECT_EQ(format("optimizer: {kind: sgd, ema: 0.99}\n"), 15u);
  EXPECT_EQ(format("optimizer: {kind: adamw, swa: 0}\n"), 15u);
  EXPECT_EQ(format("optimizer: sgd\ntables: {w1: {optimizer: {ema: 0.9}}}\n"),
            15u);
}

TEST(SpecificationTest, ATableHasTheAverageOfTheJobUnlessItHasItsOwn) {
  const auto of = [](const std::string& tables) {
    const auto record = MakeJobRecord(
        JobOf("optimizer: {kind: sgd, ema: 0.99}\ntables: " + tables + "\n"),
        MainFacts());
    EXPECT_TRUE(record.ok()) << record.status();
    const auto specification = ReadSpecification(*record);
    for (const v1::DenseTable& table : specification->tables()) {
      if (table.name() == "w1") return table.optimizer();
    }
    return v1::Optimizer();
  };
  const v1::Optimizer same = of("{w1: {optimizer: {rate: 1}}}");
  EXPECT_EQ(same.ema(), 0.99);
  const v1::Optimizer own = of("{w1: {optimizer: {swa: 5}}}");
  EXPECT_FALSE(own.has_ema());
  EXPECT_EQ(own.swa(), 5);
  EXPECT_FALSE(of("{w1: {optimizer: adam}}").has_ema());
  EXPECT_FALSE(of("{w1: {optimizer: average}}").has_ema());
}

TEST(SpecificationTest, RowsOfSparseTablesHaveNoAverages) {
  JobFacts facts = MainFacts();
  facts.sparse_tables = {{.name = "rows", .width = 2}};
  const auto refused = [&](const std::string& lines) {
    return std::string(MakeJobRecord(JobOf("algorithm: sgd\n" + lines), facts)
                           .status()
                           .message());
  };
  EXPECT_THAT(refused("optimizer: {kind: sgd, ema: 0.9}\n"),
              HasSubstr("optimizer: has ema or swa, and rows of the sparse "
                        "table rows have no averages"));
  // Bug: it was said that its rows take steps.
  EXPECT_EQ(refused("optimizer: {kind: sgd, ema: 0.9}\nfreeze: [rows]\n"), "");
  EXPECT_THAT(refused("optimizer: sgd\n"
                      "tables: {rows: {optimizer: {swa: 3}}}\n"),
              HasSubstr("tables.rows.optimizer: has ema or swa"));
  EXPECT_EQ(refused("optimizer: sgd\ntables: {w1: {optimizer: {swa: 3}}}\n"),
            "");
}

// Documents whose topics are drawn.
JobFacts FactsOfWords(int64_t words, int64_t topics) {
  JobFacts facts = MainFacts();
  facts.tables = {{"counts", words * topics, InitRule::Zeros()}};
  facts.sparse_tables.emplace_back().name = "assignments";
  facts.sparse_tables.back().width = 16;
  return facts;
}

v1::Job JobOfDraws(int64_t topics, const std::string& lines = "") {
  return JobOf(absl::StrCat("algorithm: gibbs\n", lines),
               absl::StrCat("model: {kind: lda, topics: ", topics,
                            "}\ndata: {train: {bags: a.bags}}\n"));
}

TEST(SpecificationTest, PartitionsOfDrawnTopicsHaveWholeWords) {
  const auto record = MakeJobRecord(JobOfDraws(100), FactsOfWords(5'000, 100));
  ASSERT_TRUE(record.ok()) << record.status();
  const JobPlan& plan = record->plan;
  EXPECT_EQ(plan.partitions, 31);  // ceil(500,000 / 16,384).
  EXPECT_EQ(plan.consistency.local_steps, 0);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = plan.ParameterRange(PartitionId(p));
    EXPECT_LT(first, last);
    EXPECT_EQ(first % 100, 0);
    EXPECT_EQ(last % 100, 0);
  }
  const auto facts = TrainingFactsOf(*record);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_TRUE(facts->epochs_in_order);
}

TEST(SpecificationTest, CountsOfAPartitionAreFewEnoughToBeNamedExactly) {
  // 2^26 counts: four partitions have 2^24 each, and more than these by
  // default.
  const JobFacts facts = FactsOfWords(1 << 16, 1 << 10);
  const auto refused =
      MakeJobRecord(JobOfDraws(1 << 10, "partitions: 3\n"), facts);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("hint: partitions: 4"));
  const auto record =
      MakeJobRecord(JobOfDraws(1 << 10, "partitions: 4\n"), facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->plan.MostPartitionFloats(), 1 << 24);
  const auto many = MakeJobRecord(JobOfDraws(20'000), FactsOfWords(10, 20'000));
  EXPECT_THAT(std::string(many.status().message()),
              HasSubstr("model.topics: gibbs draws from at most 16384"));
  // No partition without a word.
  const auto few =
      MakeJobRecord(JobOfDraws(5, "partitions: 64\n"), FactsOfWords(10, 5));
  ASSERT_TRUE(few.ok()) << few.status();
  EXPECT_EQ(few->plan.partitions, 10);
}

}  // namespace
}  // namespace ebb::job
