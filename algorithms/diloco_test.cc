#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/algorithm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "optimizer/optimizer.h"
#include "optimizer/testing/optimizers.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const Optimizer> AdamW() {
  return MakeTestOptimizer(v1::Optimizer::KIND_ADAMW,
                           {{"beta2", 0.99}, {"weight_decay", 0.1}});
}

std::shared_ptr<const Optimizer> Momentum() {
  return MakeTestOptimizer(v1::Optimizer::KIND_MOMENTUM, {{"momentum", 0.5}});
}

std::shared_ptr<const Optimizer> Sgd(double weight_decay = 0) {
  return MakeTestOptimizer(v1::Optimizer::KIND_SGD,
                           {{"weight_decay", weight_decay}});
}

std::unique_ptr<const Algorithm> Make(std::shared_ptr<const Optimizer> inner,
                                      bool rounds = false) {
  auto made = BuiltinAlgorithms().Create({.kind = "diloco",
                                          .inner = std::move(inner),
                                          .period = 5,
                                          .rounds = rounds});
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

// A batch of 4 examples, the last of a run of 2.
struct Batch {
  float rate = 0;
  int64_t examples = 4;
  std::vector<float> gradient_sum;
};

const std::vector<Batch>& Batches() {
  static const auto& batches = *new std::vector<Batch>{
      {0.001f, 4, {4, -8, 0.5f}},
      {0.002f, 4, {-2, -8, 40}},
      {0.003f, 4, {1, 0, -3}},
      {0.002f, 2, {0.25f, 6, 2}},
  };
  return batches;
}

std::vector<float> PushOf(LocalRule* rule, std::span<const float> pulled) {
  rule->Begin(pulled);
  int64_t examples = 0;
  for (const Batch& batch : Batches()) {
    rule->Step({batch.rate, 0.25f, batch.examples}, batch.gradient_sum);
    examples += batch.examples;
  }
  std::vector<float> out(pulled.size());
  rule->Push({.examples = examples, .batches = 4, .whole = true}, out);
  return out;
}

// Loshchilov and Hutter 2019, algorithm 2, in double and element by element.
double EndByAdamW(size_t element, double x) {
  const double beta1 = 0.9, beta2 = 0.99;
  double m = 0, v = 0;
  int t = 0;
  for (const Batch& batch : Batches()) {
    ++t;
    const double g = batch.gradient_sum[element] / 4.0;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double m_hat = m / (1 - std::pow(beta1, t));
    const double v_hat = v / (1 - std::pow(beta2, t));
    x -= batch.rate * (m_hat / (std::sqrt(v_hat) + 1e-8) + 0.1 * x);
  }
  return x;
}

// Douillard et al. 2023, algorithm 1: the outer gradient is start - end.
TEST(DiLoCoTest, PushesTheWayBackFromTheInnerStepsTimesTheExamples) {
  const auto rule = Make(AdamW())->MakeLocalRule(3);
  const std::vector<float> pulled = {1, -2, 0.5f};
  const std::vector<float> pushed = PushOf(rule.get(), pulled);
  for (size_t i = 0; i < pulled.size(); ++i) {
    const double end = EndByAdamW(i, pulled[i]);
    EXPECT_NEAR(rule->Values()[i], end, 1e-6) << i;
    EXPECT_NEAR(pushed[i], 14 * (pulled[i] - end), 14 * 1e-6) << i;
  }
}

TEST(DiLoCoTest, MomentumOfAWorkerIsItsOwn) {
  const auto rule = Make(Momentum())->MakeLocalRule(1);
  rule->Begin(std::vector<float>{8});
  rule->Step({1, 0.5f, 2}, std::vector<float>{4});
  EXPECT_THAT(rule->Values(), ElementsAre(6));
  rule->Step({1, 0.5f, 2}, std::vector<float>{2});
  EXPECT_THAT(rule->Values(), ElementsAre(4));
  std::vector<float> out(1);
  rule->Push({.examples = 4}, out);
  EXPECT_THAT(out, ElementsAre(16));
}

// A rate of 4 makes steps of 1, 2, 3, 4, 4, and the next run begins again.
TEST(DiLoCoTest, TheRateOfARunGrowsToItsHeight) {
  const auto made = BuiltinAlgorithms().Create(
      {.kind = "diloco", .inner = Sgd(), .period = 5, .run_warm_up = 4});
  ASSERT_TRUE(made.ok()) << made.status();
  const auto rule = (*made)->MakeLocalRule(1);
  for (int run = 0; run < 2; ++run) {
    rule->Begin(std::vector<float>{14});
    for (const float value : {13, 11, 8, 4, 0}) {
      rule->Step({4, 1, 1}, std::vector<float>{1});
      EXPECT_THAT(rule->Values(), ElementsAre(value));
    }
  }
}

// d N w is added to the sum, and a short batch has fewer examples N.
TEST(DiLoCoTest, WeightDecayOfPlainStepsGoesByTheExamples) {
  const auto rule = Make(Sgd(0.5))->MakeLocalRule(1);
  rule->Begin(std::vector<float>{8});
  rule->Step({0.5f, 0.25f, 2}, std::vector<float>{4});
  EXPECT_THAT(rule->Values(), ElementsAre(8 - 0.5f * 0.25f * (4 + 8)));
}

// Whichever worker computes it, and whatever that one did before.
TEST(DiLoCoTest, ARunBeginsAnewToTheBit) {
  for (const auto& inner : {AdamW(), Momentum(), Sgd()}) {
    const auto diloco = Make(inner);
    const auto fresh = diloco->MakeLocalRule(3);
    const auto used = diloco->MakeLocalRule(3);
    PushOf(used.get(), std::vector<float>{7, 8, 9});
    used->Step({0.5f, 1, 1}, std::vector<float>{1, 2, 3});  // Dropped.
    const std::vector<float> pulled = {1, -2, 0.5f};
    const std::vector<float> expected = PushOf(fresh.get(), pulled);
    EXPECT_EQ(PushOf(used.get(), pulled), expected);
    // Also from the values that it had.
    EXPECT_EQ(PushOf(used.get(), pulled), expected);
  }
}

TEST(DiLoCoTest, APushIsARunOfItsPeriodAndInRoundsAnItem) {
  const AlgorithmPlan asp = Make(AdamW())->Plan();
  EXPECT_EQ(asp, (AlgorithmPlan{.push_batches = 5,
                                .pull_batches = 5,
                                .worker_vectors = 4,  // With two moments.
                                .runs = true}));
  const AlgorithmPlan rounds = Make(Sgd(), /*rounds=*/true)->Plan();
  EXPECT_EQ(rounds, (AlgorithmPlan{.push_batches = 0,
                                   .pull_batches = 0,
                                   .worker_vectors = 2,
                                   .runs = true}));
}

TEST(DiLoCoTest, OuterStepsAreDividedByTheStaleness) {
  const auto diloco = Make(AdamW());
  EXPECT_EQ(diloco->Pushes(), PushKind::kOuterGradients);
  EXPECT_EQ(diloco->RateFactor(0), 1);
  EXPECT_EQ(diloco->RateFactor(3), 0.25);
  EXPECT_EQ(diloco->MakeRowRule(), nullptr);
}

TEST(DiLoCoTest, RefusesWhatNoRunCanHave) {
  const auto registry = BuiltinAlgorithms();
  const auto without = registry.Create({.kind = "diloco"});
  EXPECT_TRUE(absl::IsInvalidArgument(without.status()));
  EXPECT_THAT(std::string(without.status().message()),
              HasSubstr("algorithm.inner"));
  const auto short_run =
      registry.Create({.kind = "diloco", .inner = AdamW(), .period = 0});
  EXPECT_THAT(std::string(short_run.status().message()),
              HasSubstr("algorithm.period: 0"));
}

}  // namespace
}  // namespace ebb
