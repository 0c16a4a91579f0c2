#include "algorithms/algorithm.h"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<const Algorithm> Make(const AlgorithmConfig& config) {
  auto algorithm = BuiltinAlgorithms().Create(config);
  EXPECT_TRUE(algorithm.ok()) << algorithm.status();
  return algorithm.ok() ? *std::move(algorithm) : nullptr;
}

TEST(AlgorithmRegistryTest, NamesWhatThereIs) {
  const auto unknown = BuiltinAlgorithms().Create({.kind = "dinsgd"});
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("dynsgd"));
  EXPECT_THAT(BuiltinAlgorithms().Kinds(), Contains("sgd"));
}

TEST(AlgorithmRegistryTest, TakesOthersUnderOtherNames) {
  class Mine final : public Algorithm {
   public:
    double RateFactor(int64_t) const override { return 7; }
  };
  AlgorithmRegistry registry = BuiltinAlgorithms();
  const auto factory = [](const AlgorithmConfig&)
      -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
    return std::make_unique<Mine>();
  };
  EXPECT_TRUE(registry.Register("mine", "one of a user's", factory).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(registry.Register("sgd", "", factory)));
  const auto mine = registry.Create({.kind = "mine"});
  ASSERT_TRUE(mine.ok()) << mine.status();
  EXPECT_EQ((*mine)->RateFactor(3), 7);
}

TEST(GradientDescentTest, MindsNoStaleness) {
  EXPECT_EQ(Make({.kind = "sgd"})->RateFactor(9), 1);
}

// Jiang et al. 2017, section 5.
TEST(DynSgdTest, DividesTheStepByTheUpdatesSinceThePull) {
  const auto dynsgd = Make({.kind = "dynsgd"});
  EXPECT_EQ(dynsgd->RateFactor(0), 1);
  EXPECT_EQ(dynsgd->RateFactor(1), 0.5);
  EXPECT_EQ(dynsgd->RateFactor(3), 0.25);
}

// Zhang et al. 2016, beyond the staleness of eight workers.
TEST(StalenessAwareTest, IsPlainForGradientsThatAreHardlyLate) {
  const auto aware = Make({.kind = "staleness_aware"});
  for (int64_t late = 0; late <= 7; ++late) {
    EXPECT_EQ(aware->RateFactor(late), 1) << late;
  }
  EXPECT_EQ(aware->RateFactor(15), 0.5);
  EXPECT_EQ(aware->RateFactor(127), 1.0 / 16);
}

TEST(StalenessAwareTest, ToleratesWhatItIsTold) {
  const auto aware = Make({.kind = "staleness_aware", .tolerated = 20});
  EXPECT_EQ(aware->RateFactor(19), 1);
  EXPECT_EQ(aware->RateFactor(39), 0.5);
  EXPECT_TRUE(absl::IsInvalidArgument(
      BuiltinAlgorithms()
          .Create({.kind = "staleness_aware", .tolerated = 0.5})
          .status()));
}

TEST(StalenessAwareTest, ALateUpdateNeverWeighsMoreThanAnEarlierOne) {
  for (const char* kind : {"staleness_aware", "dynsgd"}) {
    const auto algorithm = Make({.kind = kind});
    EXPECT_EQ(algorithm->RateFactor(0), 1);
    double before = 1;
    for (int64_t late = 1; late <= int64_t{1} << 40; late += 1 + late / 7) {
      const double factor = algorithm->RateFactor(late);
      EXPECT_LE(factor, before) << kind << " " << late;
      EXPECT_GT(factor, 0) << kind << " " << late;
      before = factor;
    }
  }
}

// Two batches of two examples, of gradients (4, 8) and (12, -4), at a rate of
// 0.5.
std::vector<float> PushOfTwo(LocalRule* rule) {
  const std::vector<float> pulled = {1, 2};
  rule->Begin(pulled);
  EXPECT_THAT(rule->Values(), ElementsAre(1, 2));
  rule->Step({.rate = 0.5f, .gradient_scale = 0.5f}, std::vector<float>{4, 8});
  EXPECT_THAT(rule->Values(), ElementsAre(0, 0));
  rule->Step({.rate = 0.5f, .gradient_scale = 0.5f},
             std::vector<float>{12, -4});
  EXPECT_THAT(rule->Values(), ElementsAre(-3, 1));
  std::vector<float> out(2);
  rule->Push({}, out);
  return out;
}

// Dean et al. 2012, algorithm 7.1.
TEST(DownpourTest, PushesTheSumAndStepsInItsOwnCopy) {
  const auto downpour =
      Make({.kind = "downpour", .push_every = 5, .pull_every = 3});
  EXPECT_EQ(downpour->Plan().push_batches, 5);
  EXPECT_EQ(downpour->Plan().pull_batches, 3);
  const auto rule = downpour->MakeLocalRule(2);
  EXPECT_THAT(PushOfTwo(rule.get()), ElementsAre(16, 4));
  // The copy goes on from where it is, the sum from nothing.
  EXPECT_THAT(rule->Values(), ElementsAre(-3, 1));
  rule->Step({}, std::vector<float>{1, 1});
  std::vector<float> out(2);
  rule->Push({}, out);
  EXPECT_THAT(out, ElementsAre(1, 1));
  rule->Pulled(std::vector<float>{7, 8});
  EXPECT_THAT(rule->Values(), ElementsAre(7, 8));
}

// Hermans 2017, chapter 4.
TEST(AdagTest, PushesTheMeanOfTheBatches) {
  const auto adag = Make({.kind = "adag", .push_every = 2, .pull_every = 2});
  const auto rule = adag->MakeLocalRule(2);
  EXPECT_THAT(PushOfTwo(rule.get()), ElementsAre(8, 2));
  rule->Step({}, std::vector<float>{1, 3});
  std::vector<float> out(2);
  rule->Push({}, out);
  EXPECT_THAT(out, ElementsAre(1, 3));  // Of one.
}

TEST(DownpourTest, RefusesPeriodsThatAreNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      BuiltinAlgorithms()
          .Create({.kind = "downpour", .push_every = 0, .pull_every = 1})
          .status()));
}

// PaddlePaddle's GeoCommunicator: a trainer sends what its rows changed by,
// divided by the trainers, and servers add it.
TEST(GeoTest, PushesItsShareOfHowFarTheRunCame) {
  const auto geo = Make({.kind = "geo", .push_every = 3, .share = 0.5});
  EXPECT_EQ(geo->Pushes(), PushKind::kChanges);
  EXPECT_EQ(geo->Plan().push_batches, 3);
  EXPECT_EQ(geo->Plan().pull_batches, 1);
  EXPECT_FALSE(geo->Plan().keeps_effect);
  const auto rule = geo->MakeLocalRule(2);
  // It came from (1, 2) to (-3, 1).
  EXPECT_THAT(PushOfTwo(rule.get()), ElementsAre(-2, -0.5));
  // The next run begins at nothing, wherever that is.
  rule->Pulled(std::vector<float>{5, 6});
  EXPECT_THAT(rule->Values(), ElementsAre(5, 6));
  std::vector<float> out(2);
  rule->Push({}, out);
  EXPECT_THAT(out, ElementsAre(0, 0));
}

// Two workers that set out from one value: what the servers come to is where
// they are on average.
TEST(GeoTest, SharesOfAllWorkersTogetherAreTheMeanOfTheirCopies) {
  const auto geo = Make({.kind = "geo", .push_every = 1, .share = 0.5});
  float server = 4;
  for (const float gradient : {2.0f, 6.0f}) {  // To 3 and to 1.
    const auto rule = geo->MakeLocalRule(1);
    rule->Begin(std::vector<float>{4});
    rule->Step({.rate = 0.5f}, std::vector<float>{gradient});
    std::vector<float> out(1);
    rule->Push({}, out);
    server += out[0];
  }
  EXPECT_EQ(server, 2);
}

TEST(GeoTest, WhatIsPulledWithinARunKeepsTheRunsSteps) {
  const auto rule =
      Make({.kind = "geo", .push_every = 2, .share = 1})->MakeLocalRule(1);
  rule->Begin(std::vector<float>{4});
  rule->Step({.rate = 0.5f}, std::vector<float>{2});
  rule->Pulled(std::vector<float>{10});  // Others pushed meanwhile.
  EXPECT_THAT(rule->Values(), ElementsAre(9));
  rule->Step({.rate = 0.5f}, std::vector<float>{4});
  std::vector<float> out(1);
  rule->Push({}, out);
  EXPECT_THAT(out, ElementsAre(-3));
}

TEST(GeoTest, RefusesSharesThatAreNone) {
  for (const double share : {0.0, 1.5, std::nan("")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        BuiltinAlgorithms().Create({.kind = "geo", .share = share}).status()))
        << share;
  }
}

// Of a row of two elements: a step of each of two batches, then a push.
std::vector<float> PushOfARow(const RowRule& rule) {
  std::vector<float> kept(2 * rule.vectors());
  rule.Step({.rate = 0.5f, .gradient_scale = 0.5f}, std::vector<float>{4, 8},
            kept);
  rule.Step({.rate = 0.5f, .gradient_scale = 0.5f}, std::vector<float>{12, -4},
            kept);
  // How far it came is first.
  EXPECT_EQ(kept[0], -4);
  EXPECT_EQ(kept[1], -1);
  std::vector<float> out(2);
  rule.Push({.examples = 6, .batches = 4}, kept, out);
  return out;
}

TEST(RowRuleTest, OfEachAlgorithmThatHasOne) {
  EXPECT_THAT(PushOfARow(*Make({.kind = "geo", .share = 0.5})->MakeRowRule()),
              ElementsAre(-2, -0.5));
  EXPECT_THAT(PushOfARow(*Make({.kind = "downpour"})->MakeRowRule()),
              ElementsAre(16, 4));
  // By the batches of the run, not of the row.
  EXPECT_THAT(PushOfARow(*Make({.kind = "adag"})->MakeRowRule()),
              ElementsAre(4, 1));
  for (const char* kind : {"sgd", "local_sgd", "aeasgd", "eamsgd"}) {
    EXPECT_EQ(Make({.kind = kind})->MakeRowRule(), nullptr) << kind;
  }
}

// Stich 2019, algorithm 1; McMahan et al. 2017, algorithm 1.
TEST(LocalSgdTest, PushesHowFarItCameByTheExamples) {
  const auto local = Make({.kind = "local_sgd"});
  EXPECT_EQ(local->Pushes(), PushKind::kChanges);
  EXPECT_EQ(local->Plan().push_batches, 0);
  const auto rule = local->MakeLocalRule(2);
  rule->Begin(std::vector<float>{1, 2});
  rule->Step({.rate = 0.5f, .gradient_scale = 0.5f}, std::vector<float>{4, 8});
  EXPECT_THAT(rule->Values(), ElementsAre(0, 0));
  rule->Step({.rate = 1, .gradient_scale = 0.5f}, std::vector<float>{2, -2});
  EXPECT_THAT(rule->Values(), ElementsAre(-1, 1));
  std::vector<float> out(2);
  rule->Push({.examples = 10, .whole = true}, out);
  EXPECT_THAT(out, ElementsAre(-20, -10));
}

// Zhang et al. 2015, algorithm 1.
TEST(AeasgdTest, CopyAndCenterGoAPartOfTheWayToEachOther) {
  const auto elastic =
      Make({.kind = "aeasgd", .push_every = 2, .moving_rate = 0.25});
  EXPECT_EQ(elastic->Pushes(), PushKind::kChanges);
  EXPECT_TRUE(elastic->Plan().keeps_effect);
  EXPECT_TRUE(elastic->Plan().pulls_to_push);
  const auto rule = elastic->MakeLocalRule(1);
  rule->Begin(std::vector<float>{8});
  rule->Step({.rate = 1, .gradient_scale = 0.5f}, std::vector<float>{-24});
  EXPECT_THAT(rule->Values(), ElementsAre(20));
  rule->Pulled(std::vector<float>{12});  // Others moved it.
  EXPECT_THAT(rule->Values(), ElementsAre(20));
  std::vector<float> out(1);
  rule->Push({}, out);
  EXPECT_THAT(out, ElementsAre(2));
  EXPECT_THAT(rule->Values(), ElementsAre(18));
  // Of the center, 14 by now, nothing is left with the last push.
  rule->Push({.whole = true}, out);
  EXPECT_THAT(out, ElementsAre(4));
  EXPECT_THAT(rule->Values(), ElementsAre(14));
}

TEST(AeasgdTest, WhatIsNotSentIsNotSentLater) {
  const auto rule =
      Make({.kind = "aeasgd", .push_every = 1, .moving_rate = 0.25})
          ->MakeLocalRule(2);
  rule->Begin(std::vector<float>{0, 0});
  rule->Step({.rate = 1}, std::vector<float>{-4, -4});
  std::vector<float> out(2);
  rule->Forget(1, 2);
  rule->Push({}, out);
  EXPECT_THAT(out, ElementsAre(1, 0));
  rule->Push({.whole = true}, out);
  EXPECT_THAT(out, ElementsAre(2, 0));
}

// Zhang et al. 2015, algorithm 2, step by step.
TEST(EamsgdTest, TakesGradientsAheadOfItsVelocity) {
  const auto rule = Make({.kind = "eamsgd",
                          .push_every = 2,
                          .moving_rate = 0.5,
                          .momentum = 0.5})
                        ->MakeLocalRule(1);
  rule->Begin(std::vector<float>{0});
  double x = 0, v = 0;
  for (const float gradient : {-4.0f, 2.0f, -8.0f}) {
    EXPECT_FLOAT_EQ(rule->Values()[0], static_cast<float>(x + 0.5 * v));
    rule->Step({.rate = 1}, std::vector<float>{gradient});
    v = 0.5 * v - gradient;
    x += v;
  }
  std::vector<float> out(1);
  rule->Push({}, out);
  EXPECT_FLOAT_EQ(out[0], static_cast<float>(x / 2));
  EXPECT_FLOAT_EQ(rule->Values()[0], static_cast<float>(x / 2 + 0.5 * v));
}

TEST(EamsgdTest, RefusesNumbersThatCannotBe) {
  for (const AlgorithmConfig& config :
       {AlgorithmConfig{.kind = "aeasgd", .push_every = 0},
        AlgorithmConfig{.kind = "aeasgd", .moving_rate = 0},
        AlgorithmConfig{.kind = "eamsgd", .moving_rate = 1.5},
        AlgorithmConfig{.kind = "eamsgd", .momentum = 1}}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(BuiltinAlgorithms().Create(config).status()));
  }
}

}  // namespace
}  // namespace ebb
