#include "optimizer/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ebb/v1/job.pb.h"
#include "hwy/targets.h"
#include "optimizer/reference.h"
#include "optimizer/testing/optimizers.h"
#include "optimizer/word_rules.h"

namespace ebb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

std::unique_ptr<Optimizer> Make(const v1::Optimizer& settings) {
  auto optimizer = MakeOptimizer(settings);
  EXPECT_TRUE(optimizer.ok()) << optimizer.status();
  return *std::move(optimizer);
}

// Weights and slots of some elements under one optimizer.
struct State {
  State(const Optimizer& optimizer, std::vector<float> initial)
      : weights(std::move(initial)),
        slots(optimizer.SlotCount(), std::vector<float>(weights.size())) {
    for (int s = 0; s < optimizer.SlotCount(); ++s) {
      optimizer.InitializeSlot(s, weights, slots[s]);
    }
  }

  std::vector<std::span<float>> SlotSpans() {
    return {slots.begin(), slots.end()};
  }
  void Step(const Optimizer& optimizer, const StepContext& context,
            GradientView gradient) {
    std::vector<float> next(weights.size(), -1e30f);
    optimizer.Step(context, weights, gradient, next, SlotSpans());
    weights = next;
  }

  std::vector<float> weights;
  std::vector<std::vector<float>> slots;
};

// One weight, from `start`, through updates 1, 2, ... of the gradients.
State RunSteps(const v1::Optimizer& settings, float start,
               const std::vector<float>& gradients) {
  const auto optimizer = Make(settings);
  State state(*optimizer, {start});
  StepContext context = {.rate = static_cast<float>(settings.rate())};
  for (float gradient : gradients) {
    state.Step(*optimizer, context, std::span(&gradient, 1));
    ++context.step;
  }
  return state;
}

void ExpectState(const State& state, float weight, std::vector<float> slots) {
  EXPECT_FLOAT_EQ(state.weights[0], weight);
  ASSERT_EQ(state.slots.size(), slots.size());
  for (size_t s = 0; s < slots.size(); ++s) {
    EXPECT_FLOAT_EQ(state.slots[s][0], slots[s]) << "slot " << s;
  }
}

// Two steps of each rule, worked out by hand from the papers.

TEST(SgdTest, TwoStepsByHand) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_SGD, {{"rate", 0.5}});
  ExpectState(RunSteps(settings, 1.0f, {0.4f}), 0.8f, {});
  ExpectState(RunSteps(settings, 1.0f, {0.4f, -0.2f}), 0.9f, {});
}

TEST(SgdTest, MakesAMeanOfTheSum) {
  const auto optimizer =
      Make(OptimizerSettings(v1::Optimizer::KIND_SGD, {{"rate", 0.5}}));
  State state(*optimizer, {2.0f});
  const float sum = 4.0f;
  state.Step(*optimizer, {.rate = 0.5f, .gradient_scale = 0.25f},
             std::span(&sum, 1));
  EXPECT_FLOAT_EQ(state.weights[0], 1.5f);
}

TEST(SgdTest, UsesTheScheduledRateNotTheConfigured) {
  const auto optimizer =
      Make(OptimizerSettings(v1::Optimizer::KIND_SGD, {{"rate", 100}}));
  State state(*optimizer, {1.0f});
  const float gradient = 1.0f;
  state.Step(*optimizer, {.rate = 0.25f}, std::span(&gradient, 1));
  EXPECT_FLOAT_EQ(state.weights[0], 0.75f);
}

TEST(MomentumTest, TwoStepsByHand) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_MOMENTUM, {{"rate", 0.1}, {"momentum", 0.9}});
  // v = -0.2; then v = 0.9 * -0.2 - 0.1 = -0.28.
  ExpectState(RunSteps(settings, 1.0f, {2.0f}), 0.8f, {-0.2f});
  ExpectState(RunSteps(settings, 1.0f, {2.0f, 1.0f}), 0.52f, {-0.28f});
}

TEST(NesterovTest, TwoStepsByHand) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_NESTEROV, {{"rate", 0.1}, {"momentum", 0.9}});
  // w = 1 - 0.18 - 0.2; then w = 0.62 - 0.252 - 0.1.
  ExpectState(RunSteps(settings, 1.0f, {2.0f}), 0.62f, {-0.2f});
  ExpectState(RunSteps(settings, 1.0f, {2.0f, 1.0f}), 0.268f, {-0.28f});
}

// Sutskever et al. 2013, eqs. 3 and 4, on f(theta) = theta^2 / 2, where the
// gradient is taken at the look-ahead point theta + mu v.
TEST(NesterovTest, StoresTheLookAheadPointOfThePaper) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_NESTEROV, {{"rate", 0.1}, {"momentum", 0.8}});
  const auto optimizer = Make(settings);
  State state(*optimizer, {1.0f});
  double theta = 1, v = 0;
  for (int i = 0; i < 10; ++i) {
    const float gradient = state.weights[0];
    state.Step(*optimizer, {.rate = 0.1f}, std::span(&gradient, 1));
    v = 0.8 * v - 0.1 * (theta + 0.8 * v);
    theta += v;
    EXPECT_NEAR(state.weights[0], theta + 0.8 * v, 1e-6);
  }
}

TEST(AdagradTest, TwoStepsByHand) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_ADAGRAD, {{"rate", 0.5}, {"initial_accumulator", 0}});
  ExpectState(RunSteps(settings, 1.0f, {3.0f}), 0.5f, {9.0f});
  ExpectState(RunSteps(settings, 1.0f, {3.0f, 4.0f}), 0.1f, {25.0f});
}

TEST(AdagradTest, StartsFromTheInitialAccumulator) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_ADAGRAD, {{"rate", 0.5}, {"initial_accumulator", 7}});
  ExpectState(RunSteps(settings, 1.0f, {}), 1.0f, {7.0f});
  ExpectState(RunSteps(settings, 1.0f, {3.0f}), 0.625f, {16.0f});
}

TEST(AdagradTest, EpsilonIsAddedOutsideTheRoot) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_ADAGRAD,
      {{"rate", 0.5}, {"epsilon", 1}, {"initial_accumulator", 0}});
  // 1 - 0.5 * 3 / (3 + 1)
  ExpectState(RunSteps(settings, 1.0f, {3.0f}), 0.625f, {9.0f});
}

TEST(RmsPropTest, TwoStepsByHand) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_RMSPROP, {{"rate", 0.5}, {"decay", 0.75}});
  ExpectState(RunSteps(settings, 1.0f, {2.0f}), 0.0f, {1.0f});
  // n = 0.75 + 0.25 * 9 = 3; w = -0.5 * 3 / sqrt(3).
  ExpectState(RunSteps(settings, 1.0f, {2.0f, 3.0f}), -0.8660254f, {3.0f});
}

TEST(AdamTest, TwoStepsByHand) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_ADAM,
                        {{"rate", 0.1}, {"beta1", 0.5}, {"beta2", 0.75}});
  // m^ = 1 / 0.5, n^ = 1 / 0.25.
  ExpectState(RunSteps(settings, 1.0f, {2.0f}), 0.9f, {1.0f, 1.0f});
  // m^ = 2 / 0.75 = 2.6666667; n^ = 3 / 0.4375 = 6.8571429, its root
  // 2.6186147.
  ExpectState(RunSteps(settings, 1.0f, {2.0f, 3.0f}), 0.79816499f,
              {2.0f, 3.0f});
}

TEST(AdamTest, FirstStepIsTheRateWhateverTheGradient) {
  for (float gradient : {1e-3f, 1.0f, 1e3f}) {
    const v1::Optimizer settings =
        OptimizerSettings(v1::Optimizer::KIND_ADAM, {{"rate", 0.01}});
    EXPECT_NEAR(RunSteps(settings, 1.0f, {gradient}).weights[0], 0.99f, 1e-6);
  }
}

TEST(AdamTest, BiasIsGoneAfterManySteps) {
  const auto optimizer =
      Make(OptimizerSettings(v1::Optimizer::KIND_ADAM,
                             {{"rate", 0.1}, {"beta1", 0.5}, {"beta2", 0.75}}));
  State state(*optimizer, {1.0f});
  const float gradient = 2.0f;
  state.Step(*optimizer, {.rate = 0.1f, .step = int64_t{1} << 40},
             std::span(&gradient, 1));
  // Without correction: 1 - 0.1 * 1 / 1.
  EXPECT_FLOAT_EQ(state.weights[0], 0.9f);
}

TEST(AdamTest, BetasOfZeroMakeItTheSignOfTheGradient) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_ADAM, {{"rate", 0.1}, {"beta1", 0}, {"beta2", 0}});
  ExpectState(RunSteps(settings, 1.0f, {-5.0f}), 1.1f, {-5.0f, 25.0f});
}

// Loshchilov, Hutter 2019, algorithm 2, line 12.
TEST(AdamWTest, TakesTheDecayFromTheWeightItself) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_ADAMW,
      {{"rate", 0.1}, {"beta1", 0}, {"beta2", 0}, {"weight_decay", 0.5}});
  // 2 - 0.1 * 0.5 * 2, and a step of the rate.
  ExpectState(RunSteps(settings, 2.0f, {-5.0f}), 2.0f, {-5.0f, 25.0f});
  ExpectState(RunSteps(settings, 2.0f, {5.0f}), 1.8f, {5.0f, 25.0f});
}

TEST(AdamWTest, ThousandsOfWeightsDecayAlike) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_ADAMW, {{"weight_decay", 0.5}});
  const auto optimizer = Make(settings);
  State state(*optimizer, std::vector<float>(2500, 4.0f));
  state.Step(*optimizer, {.rate = 0.5f}, std::vector<float>(2500, 0.0f));
  EXPECT_THAT(state.weights, Each(3.0f));
}

TEST(WeightDecayTest, OthersAddItToTheMeanGradient) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_SGD, {{"rate", 0.5}, {"weight_decay", 0.25}});
  const auto optimizer = Make(settings);
  // 2 - 0.5 * (0.4 / 4 + 0.25 * 2)
  State whole(*optimizer, {2.0f});
  const float sum = 0.4f;
  whole.Step(*optimizer, {.rate = 0.5f, .gradient_scale = 0.25f, .examples = 4},
             std::span(&sum, 1));
  EXPECT_FLOAT_EQ(whole.weights[0], 1.7f);
  // A batch of half as many examples weighs half as much, with its decay.
  State half(*optimizer, {2.0f});
  const float none = 0;
  half.Step(*optimizer, {.rate = 0.5f, .gradient_scale = 0.25f, .examples = 2},
            std::span(&none, 1));
  EXPECT_FLOAT_EQ(half.weights[0], 1.875f);
}

TEST(WeightAverageTest, AMovingAverageForgetsByItsMemory) {
  v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_SGD, {{"rate", 1}});
  settings.set_ema(0.75);
  // w = 3, then 7; a = 1 + 0.25 * 2, then 1.5 + 0.25 * 5.5.
  ExpectState(RunSteps(settings, 1.0f, {}), 1.0f, {1.0f});
  ExpectState(RunSteps(settings, 1.0f, {-2.0f}), 3.0f, {1.5f});
  ExpectState(RunSteps(settings, 1.0f, {-2.0f, -4.0f}), 7.0f, {2.875f});
}

TEST(WeightAverageTest, AnEqualMeanIsOfTheStepsBeyondItsStart) {
  v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_SGD, {{"rate", 1}});
  settings.set_swa(2);
  // w = 2, 4, 3, 8, 1: up to step 3 the weights, then means of 3, 8 and 1.
  const std::vector<float> gradients = {-1, -2, 1, -5, 7};
  const std::vector<float> want = {2, 4, 3, 5.5f, 4};
  for (size_t steps = 1; steps <= gradients.size(); ++steps) {
    const State state = RunSteps(
        settings, 1.0f, {gradients.begin(), gradients.begin() + steps});
    EXPECT_FLOAT_EQ(state.slots[0][0], want[steps - 1]) << steps;
  }
}

TEST(WeightAverageTest, BeforeItsStartAnEqualMeanIsTheWeightsToTheBit) {
  v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_MOMENTUM, {{"rate", 0.1}});
  settings.set_swa(100);
  const State state = RunSteps(settings, 1e-8f, {-1e8f, 0.3f, 1e8f});
  EXPECT_EQ(state.slots[1], state.weights);
}

TEST(WeightAverageTest, IsTheLastSlotAndChangesNothingElse) {
  const v1::Optimizer plain =
      OptimizerSettings(v1::Optimizer::KIND_ADAMW, {{"weight_decay", 0.1}});
  v1::Optimizer averaged = plain;
  averaged.set_ema(0.5);
  EXPECT_THAT(Make(averaged)->SlotNames(),
              ElementsAre("first_moment", "second_moment", "average"));
  const std::vector<float> gradients = {0.5f, -2, 3};
  const State want = RunSteps(plain, 1.0f, gradients);
  const State state = RunSteps(averaged, 1.0f, gradients);
  EXPECT_EQ(state.weights, want.weights);
  EXPECT_EQ(state.slots[0], want.slots[0]);
  EXPECT_EQ(state.slots[1], want.slots[1]);
}

// More than fits into one piece.
TEST(WeightAverageTest, ThousandsOfWeightsAreAveragedAlike) {
  v1::Optimizer settings = OptimizerSettings(v1::Optimizer::KIND_SGD);
  settings.set_ema(0.5);
  const auto optimizer = Make(settings);
  State state(*optimizer, std::vector<float>(2500, 4.0f));
  state.Step(*optimizer, {.rate = 0.5f}, std::vector<float>(2500, 4.0f));
  EXPECT_THAT(state.weights, Each(2.0f));
  EXPECT_THAT(state.slots[0], Each(3.0f));
}

TEST(AverageTest, MovesByTheShareTowardsTheMeanOfTheBatch) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_AVERAGE, {{"share", 0.25}});
  const auto optimizer = Make(settings);
  State state(*optimizer, {1.0f});
  const float sum = 12;  // Four examples have a mean of 3.
  // Neither the rate nor the size of a whole batch matters.
  const StepContext context = {
      .rate = 100, .gradient_scale = 0.01f, .examples = 4};
  state.Step(*optimizer, context, std::span(&sum, 1));
  EXPECT_FLOAT_EQ(state.weights[0], 1.5f);
}

TEST(AverageTest, ARunOfBatchesCountsLikeItsBatches) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_AVERAGE, {{"share", 0.25}});
  const auto optimizer = Make(settings);
  State one(*optimizer, {1.0f}), run = one;
  const float batch = 12, sum = 36;
  for (int i = 0; i < 3; ++i) {
    one.Step(*optimizer, {.examples = 4}, std::span(&batch, 1));
  }
  run.Step(*optimizer, {.examples = 12, .batches = 3}, std::span(&sum, 1));
  EXPECT_FLOAT_EQ(run.weights[0], one.weights[0]);
}

TEST(AverageTest, AWholeShareTakesTheBatchAsItIs) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_AVERAGE, {{"share", 1}});
  const auto optimizer = Make(settings);
  State state(*optimizer, {1.0f});
  const float sum = 8;
  state.Step(*optimizer, {.examples = 4}, std::span(&sum, 1));
  EXPECT_EQ(state.weights[0], 2.0f);
}

// McMahan et al. 2013, algorithm 1.
TEST(FtrlTest, TwoStepsByHand) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_FTRL,
                        {{"rate", 0.5}, {"beta", 1}, {"l1", 1}, {"l2", 0.5}});
  // w = -(3 - 1) / (4 / 0.5 + 0.5)
  ExpectState(RunSteps(settings, 0.0f, {3.0f}), -0.23529412f, {3.0f, 9.0f});
  // sigma = (5 - 3) / 0.5 = 4; z = 3 + 4 + 4 * 0.23529412;
  // w = -(z - 1) / (6 / 0.5 + 0.5)
  ExpectState(RunSteps(settings, 0.0f, {3.0f, 4.0f}), -0.55529412f,
              {7.9411765f, 25.0f});
}

TEST(FtrlTest, SmallGradientsLeaveExactZero) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_FTRL, {{"rate", 0.5}, {"l1", 1}});
  ExpectState(RunSteps(settings, 0.0f, {0.5f}), 0.0f, {0.5f, 0.25f});
  ExpectState(RunSteps(settings, 0.0f, {0.0f}), 0.0f, {0.0f, 0.0f});
  ExpectState(RunSteps(settings, 0.0f, {-1.0f}), 0.0f, {-1.0f, 1.0f});
}

TEST(FtrlTest, NothingIsNotANumberWithoutBetaAndPenalties) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_FTRL, {{"rate", 0.5}, {"beta", 0}});
  ExpectState(RunSteps(settings, 0.0f, {0.0f, 0.0f}), 0.0f, {0.0f, 0.0f});
  // w = -2 / (2 / 0.5)
  ExpectState(RunSteps(settings, 0.0f, {0.0f, 2.0f}), -0.5f, {2.0f, 4.0f});
}

TEST(FtrlTest, StartsFromTheWeightsItIsGiven) {
  const v1::Optimizer settings =
      OptimizerSettings(v1::Optimizer::KIND_FTRL,
                        {{"rate", 0.5}, {"beta", 1}, {"l1", 1}, {"l2", 0.5}});
  // z = -(0.25 * (1 / 0.5 + 0.5) + 1)
  ExpectState(RunSteps(settings, 0.25f, {}), 0.25f, {-1.625f, 0.0f});
  ExpectState(RunSteps(settings, 0.25f, {0.0f}), 0.25f, {-1.625f, 0.0f});
  ExpectState(RunSteps(settings, -0.25f, {0.0f}), -0.25f, {1.625f, 0.0f});
}

TEST(FtrlTest, IgnoresAScheduledRate) {
  const auto optimizer =
      Make(OptimizerSettings(v1::Optimizer::KIND_FTRL, {{"rate", 0.5}}));
  State state(*optimizer, {0.0f});
  const float gradient = 3.0f;
  state.Step(*optimizer, {.rate = 123.0f}, std::span(&gradient, 1));
  EXPECT_FLOAT_EQ(state.weights[0], -0.375f);  // -3 / (4 / 0.5)
}

TEST(FtrlTest, ARateFactorShortensStepsAndLeavesWeightsWhereTheyAre) {
  const v1::Optimizer settings = OptimizerSettings(
      v1::Optimizer::KIND_FTRL, {{"rate", 1}, {"beta", 1}, {"l1", 0.5}});
  const auto optimizer = Make(settings);
  State state(*optimizer, {1.0f});
  ExpectState(state, 1.0f, {-1.5f, 0.0f});
  const float nothing = 0, gradient = 1;
  const StepContext smaller = {.rate_factor = 0.5f,
                               .slots_of_other_rates = true};
  state.Step(*optimizer, smaller, std::span(&nothing, 1));
  ExpectState(state, 1.0f, {-2.5f, 0.0f});  // z = -(1 / 0.5 + 0.5)
  // sigma = 1 / 0.5; z = -2.5 + 1 - 2; w = (3.5 - 0.5) / (2 / 0.5). At the full
  // rate the step is twice as long: z = -1.5 + 1 - 1; w = (1.5 - 0.5) / 2.
  State full(*optimizer, {1.0f});
  full.Step(*optimizer, {}, std::span(&gradient, 1));
  EXPECT_FLOAT_EQ(full.weights[0], 0.5f);
  state.Step(*optimizer, smaller, std::span(&gradient, 1));
  ExpectState(state, 0.75f, {-3.5f, 1.0f});
  // Back at the full rate: z = -(0.75 * 2 + 0.5).
  state.Step(*optimizer, {.slots_of_other_rates = true},
             std::span(&nothing, 1));
  ExpectState(state, 0.75f, {-2.0f, 1.0f});
  // What l1 keeps at 0 stays there.
  State none(*optimizer, {0.0f});
  const float small = 0.25f;
  none.Step(*optimizer, {}, std::span(&small, 1));
  none.Step(*optimizer, smaller, std::span(&small, 1));
  EXPECT_EQ(none.weights[0], 0.0f);
  EXPECT_FLOAT_EQ(none.slots[0][0], 0.5f);
}

TEST(AdditiveTest, AddsTheSumAsItIs) {
  const auto optimizer = MakeAdditiveRule();
  State state(*optimizer, {1.5f});
  const float gradient = 2.25f;
  state.Step(*optimizer, {.rate = 9.0f, .gradient_scale = 9.0f},
             std::span(&gradient, 1));
  EXPECT_EQ(state.weights[0], 3.75f);
}

TEST(OptimizerTest, NamesTheSlotsOfEachKind) {
  const auto names = [](v1::Optimizer::Kind kind) {
    const auto optimizer = Make(OptimizerSettings(kind));
    const auto span = optimizer->SlotNames();
    EXPECT_EQ(optimizer->SlotCount(), static_cast<int>(span.size()));
    return std::vector<std::string>(span.begin(), span.end());
  };
  EXPECT_THAT(names(v1::Optimizer::KIND_SGD), ElementsAre());
  EXPECT_THAT(names(v1::Optimizer::KIND_MOMENTUM), ElementsAre("velocity"));
  EXPECT_THAT(names(v1::Optimizer::KIND_NESTEROV), ElementsAre("velocity"));
  EXPECT_THAT(names(v1::Optimizer::KIND_ADAGRAD), ElementsAre("squares"));
  EXPECT_THAT(names(v1::Optimizer::KIND_RMSPROP), ElementsAre("mean_square"));
  EXPECT_THAT(names(v1::Optimizer::KIND_ADAM),
              ElementsAre("first_moment", "second_moment"));
  EXPECT_THAT(names(v1::Optimizer::KIND_ADAMW),
              ElementsAre("first_moment", "second_moment"));
  EXPECT_THAT(names(v1::Optimizer::KIND_FTRL), ElementsAre("z", "squares"));
  EXPECT_THAT(names(v1::Optimizer::KIND_AVERAGE), ElementsAre());
}

// Steps took five times as long, since weights of no gradient kept slots of
// the smallest numbers for ever.
TEST(OptimizerTest, SlotsThatDecayEndAtZero) {
  for (const auto kind :
       {v1::Optimizer::KIND_MOMENTUM, v1::Optimizer::KIND_NESTEROV,
        v1::Optimizer::KIND_RMSPROP, v1::Optimizer::KIND_ADAM}) {
    const auto optimizer = Make(OptimizerSettings(kind));
    State state(*optimizer, std::vector<float>(21, 0.5f));
    for (auto& slot : state.slots) std::ranges::fill(slot, 1e-36f);
    const std::vector<float> none(21);
    for (StepContext context = {.rate = 0.01f}; context.step <= 5000;
         ++context.step) {
      state.Step(*optimizer, context, none);
    }
    EXPECT_THAT(state.weights, Each(0.5f)) << kind;
    for (const auto& slot : state.slots) EXPECT_THAT(slot, Each(0.0f)) << kind;
  }
}

TEST(OptimizerTest, LeavesTheArithmeticOfItsThreadAsItWas) {
  RunSteps(OptimizerSettings(v1::Optimizer::KIND_MOMENTUM), 1.0f, {0.5f});
  volatile float tiny = std::numeric_limits<float>::min();
  tiny = tiny / 2;
  EXPECT_GT(tiny, 0);
}

TEST(OptimizerTest, RefusesAKindThatItLacks) {
  EXPECT_EQ(MakeOptimizer({}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// What follows holds for every kind, on every instruction set at hand.

// The kinds of jobs, and 0 for the rule of additive rows.
std::vector<int> AllKinds() {
  const auto& kinds = *v1::Optimizer::Kind_descriptor();
  std::vector<int> numbers;
  for (int i = 0; i < kinds.value_count(); ++i) {
    numbers.push_back(kinds.value(i)->number());
  }
  return numbers;
}

v1::Optimizer TypicalSettings(int number) {
  const auto kind = static_cast<v1::Optimizer::Kind>(number);
  if (kind == v1::Optimizer::KIND_UNSPECIFIED) return {};
  if (kind == v1::Optimizer::KIND_FTRL) {
    return OptimizerSettings(kind, {{"rate", 0.05}, {"l1", 0.3}, {"l2", 0.01}});
  }
  return OptimizerSettings(kind, {{"rate", 0.05}});
}

// The same with weight decay, where the kind has it.
v1::Optimizer DecayingSettings(int number) {
  v1::Optimizer settings = TypicalSettings(number);
  if (TakesKey(settings, "weight_decay")) settings.set_weight_decay(0.02);
  return settings;
}

// The parts around a rule.
enum class Around { kNothing, kDecay, kDecayAndEma, kSwa };

v1::Optimizer SettingsOf(int number, Around around) {
  v1::Optimizer settings =
      around == Around::kDecay || around == Around::kDecayAndEma
          ? DecayingSettings(number)
          : TypicalSettings(number);
  if (!TakesKey(settings, "ema")) return settings;
  if (around == Around::kDecayAndEma) settings.set_ema(0.9);
  if (around == Around::kSwa) settings.set_swa(0);
  return settings;
}

class EveryOptimizerTest
    : public testing::TestWithParam<std::tuple<int, int64_t, Around>> {
 protected:
  EveryOptimizerTest() {
    hwy::SetSupportedTargetsForTest(std::get<1>(GetParam()));
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  ~EveryOptimizerTest() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  // Magnitudes from 1e-4 to 10, both signs, and zeros.
  std::vector<float> Values(size_t count) {
    std::uniform_real_distribution<double> exponent(-4, 1);
    std::vector<float> values(count);
    for (float& value : values) {
      value = static_cast<float>(std::pow(10, exponent(random_)));
      if (random_() % 2 == 0) value = -value;
      if (random_() % 16 == 0) value = 0;
    }
    return values;
  }

  bool additive() const { return std::get<0>(GetParam()) == 0; }

  const v1::Optimizer settings_ =
      SettingsOf(std::get<0>(GetParam()), std::get<2>(GetParam()));
  const std::unique_ptr<Optimizer> optimizer_ =
      additive() ? MakeAdditiveRule() : Make(settings_);
  StepContext context_ = {
      .rate = 0.05f, .gradient_scale = 0.125f, .examples = 6, .batches = 2};
  std::mt19937 random_{20240229};
};

std::vector<int64_t> TargetsHere() {
  std::vector<int64_t> targets;
  for (int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0;
       left &= left - 1) {
    targets.push_back(left & -left);
  }
  return targets;
}

std::string NameOf(Around around) {
  switch (around) {
    case Around::kNothing:
      return "";
    case Around::kDecay:
      return "_decaying";
    case Around::kDecayAndEma:
      return "_decaying_ema";
    case Around::kSwa:
      return "_swa";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(
    Kind, EveryOptimizerTest,
    testing::Combine(testing::ValuesIn(AllKinds()),
                     testing::ValuesIn(TargetsHere()),
                     testing::Values(Around::kNothing, Around::kDecay,
                                     Around::kDecayAndEma, Around::kSwa)),
    [](const auto& test) {
      const std::string word = OptimizerWord(std::get<0>(test.param));
      return (word.empty() ? "additive" : word) + "_" +
             hwy::TargetName(std::get<1>(test.param)) +
             NameOf(std::get<2>(test.param));
    });

// The bound that optimizer.h promises.
void ExpectWithinBound(float got, const ReferenceValue& exact,
                       double own_rounding) {
  constexpr double kUlp = std::numeric_limits<float>::epsilon();
  EXPECT_NEAR(got, exact.value,
              4 * kUlp * exact.largest_term +
                  own_rounding * kUlp * std::abs(exact.value) +
                  std::numeric_limits<float>::min());
}

TEST_P(EveryOptimizerTest, AgreesWithTheReferenceAtEverySizeAndAlignment) {
  for (size_t count :
       {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000}) {
    State state(*optimizer_, Values(count));
    for (context_.step = 1; context_.step <= 6; ++context_.step) {
      context_.late_factor = context_.step % 3 == 2 ? 0.3f : 1;
      SCOPED_TRACE(testing::Message()
                   << count << " elements, step " << context_.step);
      const std::vector<float> sum = Values(count);
      // At addresses 0, 1, 2, 3, ... modulo the size of a float.
      const size_t shift = static_cast<size_t>(context_.step - 1);
      std::vector<std::byte> bytes(shift + count * sizeof(float));
      std::ranges::copy(std::as_bytes(std::span(sum)), bytes.begin() + shift);

      const State before = state;
      state.Step(*optimizer_, context_,
                 GradientView::FromBytes(std::span(bytes).subspan(shift)));

      for (size_t i = 0; i < count; ++i) {
        std::array<float, Optimizer::kMaxSlots> slots = {};
        for (size_t s = 0; s < before.slots.size(); ++s) {
          slots[s] = before.slots[s][i];
        }
        const ReferenceResult exact = ReferenceStep(
            settings_, context_, before.weights[i], sum[i], slots);
        ExpectWithinBound(state.weights[i], exact.weight, 0.5);
        for (size_t s = 0; s < before.slots.size(); ++s) {
          ExpectWithinBound(state.slots[s][i], exact.slots[s], 0);
        }
      }
    }
  }
}

TEST_P(EveryOptimizerTest, CuttingARangeDoesNotChangeABit) {
  constexpr size_t kCount = 77;
  const std::vector<float> weights = Values(kCount);
  const std::vector<float> first = Values(kCount);
  const std::vector<float> second = Values(kCount);
  State whole(*optimizer_, weights);
  whole.Step(*optimizer_, context_, first);
  State cut = whole;

  context_.step = 2;
  whole.Step(*optimizer_, context_, second);
  std::vector<float> next(kCount);
  for (size_t begin = 0, size = 1; begin < kCount; begin += size, ++size) {
    size = std::min(size, kCount - begin);
    std::vector<std::span<float>> slots;
    for (auto& slot : cut.slots) {
      slots.push_back(std::span(slot).subspan(begin, size));
    }
    optimizer_->Step(context_, std::span(cut.weights).subspan(begin, size),
                     std::span(second).subspan(begin, size),
                     std::span(next).subspan(begin, size), slots);
  }

  EXPECT_EQ(next, whole.weights);
  EXPECT_EQ(cut.slots, whole.slots);
}

TEST_P(EveryOptimizerTest, WeightsMayBeUpdatedInPlace) {
  const std::vector<float> gradient = Values(37);
  State apart(*optimizer_, Values(37));
  State in_place = apart;
  apart.Step(*optimizer_, context_, gradient);
  optimizer_->Step(context_, in_place.weights, std::span(gradient),
                   in_place.weights, in_place.SlotSpans());
  EXPECT_EQ(in_place.weights, apart.weights);
  EXPECT_EQ(in_place.slots, apart.slots);
}

// Rows out of order, out of place and with gradients at odd addresses.
TEST_P(EveryOptimizerTest, RowsAreSteppedLikeRanges) {
  for (const size_t width : {1u, 3u, 8u, 16u, 21u}) {
    constexpr size_t kRows = 5;
    State whole(*optimizer_, Values(kRows * width));
    whole.Step(*optimizer_, context_, Values(kRows * width));
    State rows = whole, next = whole;
    const std::vector<float> gradient = Values(kRows * width);
    std::vector<std::byte> odd(gradient.size() * sizeof(float) + 1);
    std::memcpy(odd.data() + 1, gradient.data(), odd.size() - 1);
    std::vector<RowStep> steps;
    for (const size_t row : {3u, 0u, 4u, 1u, 2u}) {
      const size_t at = row * width;
      RowStep& step = steps.emplace_back();
      step.weights_in = rows.weights.data() + at;
      step.gradient_sum = odd.data() + 1 + at * sizeof(float);
      step.weights_out = next.weights.data() + at;
      for (size_t s = 0; s < rows.slots.size(); ++s) {
        step.slots_in[s] = rows.slots[s].data() + at;
        step.slots_out[s] = next.slots[s].data() + at;
      }
    }

    whole.Step(*optimizer_, context_, gradient);
    optimizer_->StepRows(context_, width, steps);

    EXPECT_EQ(next.weights, whole.weights) << width;
    EXPECT_EQ(next.slots, whole.slots) << width;
  }
}

TEST_P(EveryOptimizerTest, ARowHasAFactorOfItsOwn) {
  const std::vector<float> weights = Values(4), gradient = Values(4);
  State whole(*optimizer_, weights), row = whole;
  RowStep step = {
      .weights_in = row.weights.data(),
      .gradient_sum = reinterpret_cast<const std::byte*>(gradient.data()),
      .weights_out = row.weights.data(),
      .late_factor = 0.3f};
  for (size_t s = 0; s < row.slots.size(); ++s) {
    step.slots_in[s] = step.slots_out[s] = row.slots[s].data();
  }

  optimizer_->StepRows(context_, 4, {&step, 1});
  context_.late_factor = 0.3f;
  whole.Step(*optimizer_, context_, gradient);

  EXPECT_EQ(row.weights, whole.weights);
  EXPECT_EQ(row.slots, whole.slots);
}

TEST_P(EveryOptimizerTest, TakesAGradientInSlicesCutAnywhere) {
  constexpr size_t kCount = 40;
  const std::vector<float> gradient = Values(kCount);
  State whole(*optimizer_, Values(kCount));
  State sliced = whole;
  whole.Step(*optimizer_, context_, gradient);

  Payload payload;
  const auto bytes = std::as_bytes(std::span(gradient));
  size_t at = 0;
  for (size_t size : {5, 1, 1, 2, 23, 64, 3, 61}) {
    payload.Append(nullptr, bytes.subspan(at, size));
    at += size;
  }
  ASSERT_EQ(at, bytes.size());
  GradientCursor cursor(payload);
  std::vector<float> next(kCount);
  // Two blocks, one after the other.
  for (size_t begin : {0, 24}) {
    const size_t size = begin == 0 ? 24 : 16;
    std::vector<std::span<float>> slots;
    for (auto& slot : sliced.slots) {
      slots.push_back(std::span(slot).subspan(begin, size));
    }
    optimizer_->Step(context_, std::span(sliced.weights).subspan(begin, size),
                     cursor, std::span(next).subspan(begin, size), slots);
  }

  EXPECT_EQ(next, whole.weights);
  EXPECT_EQ(sliced.slots, whole.slots);
  EXPECT_EQ(cursor.remaining(), 0u);
}

TEST_P(EveryOptimizerTest, MinimizesAParabola) {
  // Not their business.
  if (additive() || settings_.kind() == v1::Optimizer::KIND_AVERAGE) return;
  v1::Optimizer settings = settings_;
  settings.set_rate(0.1);
  settings.set_l1(0);
  settings.set_l2(0);
  settings.set_weight_decay(0);
  const auto optimizer = Make(settings);
  State state(*optimizer, {1.0f, -1.0f, 0.0f});
  for (StepContext context = {.rate = 0.1f}; context.step <= 4000;
       ++context.step) {
    // The rate falls, as is common.
    context.rate = 0.1f / (1.0f + 0.01f * static_cast<float>(context.step));
    std::vector<float> gradient;
    for (float w : state.weights) gradient.push_back(w - 0.5f);
    state.Step(*optimizer, context, gradient);
  }
  EXPECT_THAT(state.weights, Pointwise(FloatNear(0.02f), {0.5f, 0.5f, 0.5f}));
}

TEST(OptimizerDeathTest, SizesThatDisagreeAreABug) {
  const auto optimizer = Make(OptimizerSettings(v1::Optimizer::KIND_MOMENTUM));
  std::vector<float> four(4), five(5);
  const std::vector<std::span<float>> none, good = {four}, bad = {five};
  const GradientView gradient = four;
  const StepContext context;
  EXPECT_DEATH(optimizer->Step(context, five, gradient, five, bad),
               "gradient_sum");
  EXPECT_DEATH(optimizer->Step(context, four, gradient, five, good),
               "weights_out");
  EXPECT_DEATH(optimizer->Step(context, four, gradient, four, none),
               "SlotCount");
  EXPECT_DEATH(optimizer->Step(context, four, gradient, four, bad), "slots");
}

}  // namespace
}  // namespace ebb
