#include "job/training.h"

#include <xxhash.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "job/base/traits.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"

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

TEST(TrainingTest, AShorterJobIsThatOfAShorterFile) {
  JobFacts facts;
  facts.tables = {{"w", 3, InitRule::Zeros()}};
  facts.examples = 100;
  facts.order_version = 2;
  facts.train_index = "an index";
  facts.train_index_hash = XXH64("an index", 8, 0);
  const auto record_of = [&](int epochs) {
    return *MakeJobRecord(
        JobOf(absl::StrCat("train: {epochs: ", epochs, "}\n")), facts);
  };
  const auto shorter = WithEnd(record_of(9), {.epochs = 4});
  ASSERT_TRUE(shorter.ok()) << shorter.status();
  EXPECT_EQ(shorter->plan.epochs, 4);
  EXPECT_EQ(shorter->plan.layout_hash, record_of(4).plan.layout_hash);
  EXPECT_EQ(ReadSpecification(*shorter)->job().train().epochs(), 4);
  facts.train_index = "another";
  EXPECT_TRUE(absl::IsFailedPrecondition(
      WithEnd(record_of(9), {.epochs = 4}).status()));
}

TEST(TrainingTest, ASpecificationSaysWhatItsLossIs) {
  JobFacts facts;
  facts.tables = {{"w", 3, InitRule::Zeros()}};
  facts.examples = 100;
  facts.squared_loss = true;
  facts.guess_loss = 0.5;
  facts.positive_class = "left";
  const auto facts_of = [&](const std::string& lines) {
    const auto record = MakeJobRecord(JobOf(lines), facts);
    EXPECT_TRUE(record.ok()) << record.status();
    const auto found = TrainingFactsOf(*record);
    EXPECT_TRUE(found.ok()) << found.status();
    return *found;
  };
  const TrainingFacts usual = facts_of("algorithm: sgd\n");
  EXPECT_TRUE(usual.squared_loss);
  EXPECT_EQ(usual.guess_loss, 0.5);
  EXPECT_EQ(usual.positive_class, "left");
  EXPECT_EQ(usual.on_divergence, OnDivergence::kWarn);
  EXPECT_FALSE(usual.scales_late_steps);
  EXPECT_FALSE(usual.only_programs);
  const TrainingFacts other =
      facts_of("algorithm: dynsgd\non_divergence: rollback\n");
  EXPECT_EQ(other.on_divergence, OnDivergence::kRollBack);
  EXPECT_TRUE(other.scales_late_steps);
}

// PaddlePaddle's trainers divide what they send in the same way.
TEST(TrainingTest, OfGeoAWorkerPushesItsPartOfAllWorkers) {
  const auto pushed = [](const std::string& lines) {
    const auto algorithm = AlgorithmOf(JobOf(lines));
    EXPECT_TRUE(algorithm.ok()) << algorithm.status();
    const auto rule = (*algorithm)->MakeRowRule();
    std::vector<float> out(1);
    rule->Push({}, std::vector<float>{8}, out);
    return out[0];
  };
  EXPECT_EQ(pushed("algorithm: geo\nworkers: {max: 4}\n"), 2);
  EXPECT_EQ(pushed("algorithm: geo\n"), 1);  // Of 8, if a job says nothing.
  EXPECT_EQ(pushed("algorithm: {kind: geo, share: 0.5}\nworkers: {max: 4}\n"),
            4);
}

TEST(TrainingTest, AJobOfBeforeThereWereAlgorithmsIsGradientDescent) {
  const auto algorithm = AlgorithmOf(v1::Job());
  ASSERT_TRUE(algorithm.ok()) << algorithm.status();
  EXPECT_EQ((*algorithm)->Plan(), AlgorithmPlan());
  EXPECT_EQ((*algorithm)->RateFactor(5), 1);
}

// A workload brings its algorithm as a word alone: its operations close rounds,
// or its models push changes.
TEST(TrainingTest, EveryKindOfAlgorithmIsMade) {
  const auto& kinds = *v1::Algorithm::Kind_descriptor();
  for (int i = 1; i < kinds.value_count(); ++i) {
    v1::Job job;
    job.mutable_algorithm()->set_kind(
        static_cast<v1::Algorithm::Kind>(kinds.value(i)->number()));
    if (job.algorithm().kind() == v1::Algorithm::KIND_PLUGIN) continue;
    const auto algorithm = AlgorithmOf(job);
    ASSERT_TRUE(algorithm.ok()) << algorithm.status();
    const v1::AlgorithmTraits& traits = TraitsOf(job.algorithm().kind());
    EXPECT_EQ((*algorithm)->Plan().operated,
              traits.statistics() || traits.line_search())
        << kinds.value(i)->name();
    if (traits.workload().empty()) continue;
    EXPECT_EQ((*algorithm)->Pushes() == PushKind::kChanges,
              !traits.statistics())
        << kinds.value(i)->name();
  }
}

// --- Optimizers --------------------------------------------------------------

// An optimizer of the kind with one key changed.
v1::Optimizer With(v1::Optimizer::Kind kind, const char* key, double value) {
  v1::Optimizer optimizer;
  optimizer.set_kind(kind);
  const auto* field = optimizer.GetDescriptor()->FindFieldByName(key);
  optimizer.GetReflection()->SetDouble(&optimizer, field, value);
  return optimizer;
}

// Returns what OptimizerOf says of it; empty: nothing.
std::string Wrong(v1::Optimizer::Kind kind, const char* key, double value) {
  const absl::Status status = OptimizerOf(With(kind, key, value)).status();
  EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(OptimizerOfTest, FillsInWhatIsAbsentAndKeepsWhatIsNot) {
  const auto adam = OptimizerOf(With(v1::Optimizer::KIND_ADAM, "beta1", 0.5));
  ASSERT_TRUE(adam.ok()) << adam.status();
  EXPECT_EQ(adam->rate(), 0.01);
  EXPECT_EQ(adam->beta1(), 0.5);
  EXPECT_EQ(adam->beta2(), 0.999);
  EXPECT_EQ(adam->epsilon(), 1e-8);
  const auto ftrl = OptimizerOf(With(v1::Optimizer::KIND_FTRL, "rate", 2));
  ASSERT_TRUE(ftrl.ok()) << ftrl.status();
  EXPECT_EQ(ftrl->rate(), 2);
  EXPECT_EQ(ftrl->beta(), 1);
}

TEST(OptimizerOfTest, NamesKeyValueAndWhatWouldBeRight) {
  EXPECT_EQ(Wrong(v1::Optimizer::KIND_SGD, "rate", -0.5),
            "optimizer.rate must be more than 0, not -0.5");
  EXPECT_EQ(Wrong(v1::Optimizer::KIND_MOMENTUM, "momentum", 1),
            "optimizer.momentum must be less than 1, not 1");
}

TEST(OptimizerOfTest, RefusesEachKeyOutOfRange) {
  using O = v1::Optimizer;
  EXPECT_NE(Wrong(O::KIND_SGD, "rate", 0), "");
  EXPECT_NE(Wrong(O::KIND_FTRL, "l2", -1), "");
  EXPECT_NE(Wrong(O::KIND_FTRL, "l1", -1), "");
  EXPECT_NE(Wrong(O::KIND_FTRL, "beta", -1), "");
  EXPECT_NE(Wrong(O::KIND_NESTEROV, "momentum", -0.1), "");
  EXPECT_NE(Wrong(O::KIND_RMSPROP, "decay", 1.5), "");
  EXPECT_NE(Wrong(O::KIND_ADAM, "beta1", 1), "");
  EXPECT_NE(Wrong(O::KIND_ADAM, "beta2", 2), "");
  EXPECT_NE(Wrong(O::KIND_ADAGRAD, "initial_accumulator", -1), "");
  for (const O::Kind kind : {O::KIND_ADAGRAD, O::KIND_RMSPROP, O::KIND_ADAM}) {
    EXPECT_NE(Wrong(kind, "epsilon", 0), "");
  }
}

TEST(OptimizerOfTest, RefusesWhatIsNoNumberInFloat) {
  using O = v1::Optimizer;
  EXPECT_NE(Wrong(O::KIND_SGD, "rate", std::nan("")), "");
  EXPECT_NE(Wrong(O::KIND_SGD, "rate", HUGE_VAL), "");
  EXPECT_NE(Wrong(O::KIND_SGD, "rate", 1e-60), "");
  EXPECT_NE(Wrong(O::KIND_FTRL, "l2", std::nan("")), "");
  EXPECT_NE(Wrong(O::KIND_MOMENTUM, "momentum", std::nan("")), "");
  // Below 1, but not as a float.
  EXPECT_NE(Wrong(O::KIND_ADAM, "beta2", 1 - 1e-12), "");
}

// Bug: a stored job with such a constant lost its rule.
TEST(OptimizerOfTest, TakesConstantsThatAreZeroAsAFloat) {
  using O = v1::Optimizer;
  EXPECT_EQ(Wrong(O::KIND_FTRL, "l2", 1e-60), "");
  EXPECT_EQ(Wrong(O::KIND_MOMENTUM, "momentum", 1e-40), "");
  EXPECT_NE(Wrong(O::KIND_MOMENTUM, "momentum", -1e-40), "");
  EXPECT_NE(Wrong(O::KIND_ADAM, "epsilon", 1e-60), "");
}

TEST(OptimizerOfTest, IgnoresKeysOfOtherKinds) {
  EXPECT_EQ(Wrong(v1::Optimizer::KIND_SGD, "momentum", 7), "");
  EXPECT_EQ(Wrong(v1::Optimizer::KIND_SGD, "epsilon", 0), "");
}

TEST(OptimizerOfTest, RefusesAKindThatItDoesNotKnow) {
  v1::Optimizer optimizer;
  EXPECT_EQ(OptimizerOf(optimizer).status().message(),
            "optimizer.kind: unknown value 0");
  optimizer.set_kind(static_cast<v1::Optimizer::Kind>(99));
  EXPECT_EQ(OptimizerOf(optimizer).status().message(),
            "optimizer.kind: unknown value 99");
}

}  // namespace
}  // namespace ebb::job
