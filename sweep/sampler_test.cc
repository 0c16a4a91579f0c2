#include "sweep/sampler.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>

#include "gtest/gtest.h"
#include "job/base/values.h"

namespace ebb::sweep {
namespace {

Dimension Log(std::string key, double low, double high) {
  Dimension dimension;
  dimension.key = std::move(key);
  dimension.kind = Dimension::Kind::kRange;
  dimension.low = low;
  dimension.high = high;
  dimension.log = true;
  return dimension;
}

Dimension List(std::string key, std::vector<std::string> values) {
  Dimension dimension;
  dimension.key = std::move(key);
  dimension.values = std::move(values);
  return dimension;
}

// Two rates, of which the second matters for one kind only, as of optimizers.
Space TwoRates() {
  Dimension momentum = Log("momentum", 0.001, 1);
  momentum.when = {"kind", {"sgd"}};
  return {List("kind", {"adam", "sgd", "adagrad"}), Log("rate", 1e-5, 1),
          momentum};
}

// Least, 0, at the rate 0.003 and the momentum 0.1 of sgd.
double LossAt(const Choices& choices) {
  const auto off = [&](const std::string& key, double best) {
    const auto at = choices.find(key);
    if (at == choices.end()) return 1.0;
    return std::log10(*job::ParseNumber(at->second) / best);
  };
  const double rate = off("rate", 0.003);
  const double momentum = off("momentum", 0.1);
  const double kind = choices.at("kind") == "sgd" ? 0 : 0.5;
  return rate * rate + momentum * momentum + kind;
}

// How many trials a method takes to come below `loss`.
int64_t TrialsUntil(Method method, uint64_t seed, double loss) {
  constexpr int64_t kMost = 300;
  std::vector<Outcome> outcomes;
  for (int64_t i = 0; i < kMost; ++i) {
    const auto choices = Suggest(TwoRates(), method, seed, i, outcomes);
    const double value = LossAt(*choices);
    if (value < loss) return i + 1;
    outcomes.push_back({*choices, value, 1});
  }
  return kMost;
}

int64_t MedianTrials(Method method) {
  std::vector<int64_t> trials;
  for (uint64_t seed = 1; seed <= 11; ++seed) {
    trials.push_back(TrialsUntil(method, seed, 0.03));
  }
  std::ranges::nth_element(trials, trials.begin() + 5);
  return trials[5];
}

// Bergstra et al. 2011: TPE finds better points than random search.
TEST(SamplerTest, TheModelFindsTheOptimumInFewerTrialsThanRandom) {
  const int64_t model = MedianTrials(Method::kTpe);
  const int64_t random = MedianTrials(Method::kRandom);
  std::cout << "median trials: model " << model << ", random " << random
            << "\n";
  EXPECT_LT(2 * model, random);
}

TEST(SamplerTest, TheSameArgumentsGiveTheSameChoices) {
  for (const Method method : {Method::kRandom, Method::kTpe}) {
    std::vector<Outcome> one, two;
    for (int64_t i = 0; i < 30; ++i) {
      const auto a = Suggest(TwoRates(), method, 7, i, one);
      const auto b = Suggest(TwoRates(), method, 7, i, two);
      ASSERT_EQ(a, b);
      one.push_back({*a, LossAt(*a), 1});
      two.push_back({*b, LossAt(*b), 1});
    }
  }
}

TEST(SamplerTest, AnotherSeedGivesOthers) {
  EXPECT_NE(Suggest(TwoRates(), Method::kRandom, 1, 0, {}),
            Suggest(TwoRates(), Method::kRandom, 2, 0, {}));
}

TEST(SamplerTest, NoPointIsTriedTwice) {
  const Space space = {List("a", {"1", "2", "3"}), List("b", {"x", "y"})};
  for (const Method method : {Method::kGrid, Method::kRandom, Method::kTpe}) {
    std::vector<Outcome> outcomes;
    std::set<Choices> seen;
    for (int64_t i = 0; i < 6; ++i) {
      const auto choices = Suggest(space, method, 1, i, outcomes);
      ASSERT_TRUE(choices.has_value());
      EXPECT_TRUE(seen.insert(*choices).second);
      outcomes.push_back({*choices, static_cast<double>(i), 1});
    }
    EXPECT_FALSE(Suggest(space, method, 1, 6, outcomes).has_value());
  }
}

TEST(SamplerTest, AConditionalKeyIsThereOnlyIfItsConditionHolds) {
  std::vector<Outcome> outcomes;
  for (int64_t i = 0; i < 60; ++i) {
    const auto choices = Suggest(TwoRates(), Method::kTpe, 3, i, outcomes);
    EXPECT_EQ(choices->contains("momentum"), choices->at("kind") == "sgd");
    outcomes.push_back({*choices, LossAt(*choices), 1});
  }
}

TEST(SamplerTest, TrialsThatStillTrainAreNoResults) {
  // With no result at all the model is not asked.
  std::vector<Outcome> outcomes;
  for (int64_t i = 0; i < 40; ++i) {
    const auto choices = Suggest(TwoRates(), Method::kTpe, 3, i, outcomes);
    EXPECT_EQ(choices, Suggest(TwoRates(), Method::kRandom, 3, i, outcomes));
    outcomes.push_back({*choices, std::nullopt, 0});
  }
}

}  // namespace
}  // namespace ebb::sweep
