#include "tools/ebb/advise/advice.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ebb::tools {
namespace {

double AllCounts(const WorkerKind& /*kind*/, const sim::ChurnRates& /*rates*/) {
  return 1;
}

// 36 million examples: ten hours of one worker.
constexpr double kHours = 10;
MeasuredWork Work() {
  return {.examples = kHours * 3600 * 1000,
          .rate = 1000,
          .server_seconds = 0.0001,
          .most_workers = 100};
}

MachineKinds Kinds(double losses) {
  return {.workers = {{.name = "a",
                       .price = 2,
                       .speed = 1,
                       .losses_per_hour = losses,
                       .most = 10}},
          .server = {.name = "s", .price = 1, .processors = 1}};
}

const Offer& WithWorkers(const std::vector<Offer>& offers, int64_t workers) {
  for (const Offer& offer : offers) {
    if (offer.workers == workers) return offer;
  }
  ADD_FAILURE() << workers;
  return offers.front();
}

TEST(AdviceTest, WithoutLossesItIsADivision) {
  AdviceOptions options{.goodput = AllCounts};
  const std::vector<Offer> offers = Offers(Kinds(0), Work(), options);
  EXPECT_EQ(offers.back().workers, 10);
  const Offer& five = WithWorkers(offers, 5);
  EXPECT_NEAR(five.hours.middle, kHours / 5, 1e-9);
  EXPECT_NEAR(five.hours.low, five.hours.high, 1e-9);
  // A server has 0.7 of a processor for workers that take 0.1 each.
  EXPECT_EQ(five.servers, 1);
  EXPECT_NEAR(five.price.middle, kHours * 2 + kHours / 5, 1e-9);
  EXPECT_EQ(WithWorkers(offers, 10).servers, 2);
}

TEST(AdviceTest, MachinesThatAreLostMakeItLongerAndLessSure) {
  AdviceOptions options{.goodput = AllCounts};
  options.market = {.bulk = 1, .away = absl::Hours(1)};
  const Offer calm = WithWorkers(Offers(Kinds(0), Work(), options), 4);
  const Offer rough = WithWorkers(Offers(Kinds(2), Work(), options), 4);
  // The number on their way back is that which such a market has away, so
  // there are as many on average.
  EXPECT_NEAR(rough.hours.middle, calm.hours.middle, 0.6);
  EXPECT_LT(rough.hours.low, rough.hours.middle);
  EXPECT_LT(rough.hours.middle, rough.hours.high);
  // The same work is paid for.
  EXPECT_NEAR(rough.price.middle, calm.price.middle, 1);
}

TEST(AdviceTest, GoodputAndLoadingAndTheErrorOfTheRateCount) {
  AdviceOptions options{.goodput = AllCounts};
  MeasuredWork work = Work();
  work.load = absl::Minutes(30);
  EXPECT_NEAR(WithWorkers(Offers(Kinds(0), work, options), 5).hours.middle,
              kHours / 5 + 0.5, 1e-9);
  work.load = absl::ZeroDuration();
  work.rate_error = 0.1;
  const Offer unsure = WithWorkers(Offers(Kinds(0), work, options), 5);
  EXPECT_NEAR(unsure.hours.middle, 2, 0.1);
  // Nine tenths are within 1.28 deviations.
  EXPECT_NEAR(unsure.hours.high, 2 / (1 - 0.128), 0.1);
  EXPECT_NEAR(unsure.hours.low, 2 / (1 + 0.128), 0.1);
  const auto half = [](const WorkerKind&, const sim::ChurnRates&) {
    return 0.5;
  };
  EXPECT_NEAR(
      WithWorkers(Offers(Kinds(0), Work(), {.goodput = half}), 5).hours.middle,
      4, 1e-9);
}

TEST(AdviceTest, TheCheapestMeetsTheDeadline) {
  AdviceOptions options{.deadline = absl::Hours(3), .goodput = AllCounts};
  MachineKinds kinds = Kinds(0);
  kinds.workers.push_back({.name = "cheap and slow",
                           .price = 0.1,
                           .speed = 0.25,
                           .losses_per_hour = 0,
                           .most = 4});
  const std::vector<Offer> offers = Offers(kinds, Work(), options);
  const Offer* best = Cheapest(offers, options.chance);
  ASSERT_NE(best, nullptr);
  // Four of the cheap ones take ten hours. The servers' price for the others
  // falls with the time, and from eight on there are two.
  EXPECT_EQ(best->kind, 0);
  EXPECT_EQ(best->workers, 6);
  EXPECT_EQ(best->in_time, 1);
  options.deadline = absl::InfiniteDuration();
  const std::vector<Offer> all = Offers(kinds, Work(), options);
  EXPECT_EQ(Cheapest(all, 0.9)->kind, 1);
  options.deadline = absl::Minutes(1);
  const std::vector<Offer> none = Offers(kinds, Work(), options);
  EXPECT_EQ(Cheapest(none, 0.9), nullptr);
  EXPECT_EQ(Fastest(none)->workers, 10);
}

TEST(AdviceTest, AChanceIsAShareOfTheDraws) {
  AdviceOptions options{.deadline = absl::Hours(2.5), .goodput = AllCounts};
  options.market = {.bulk = 1, .away = absl::Hours(1)};
  const Offer offer = WithWorkers(Offers(Kinds(2), Work(), options), 4);
  EXPECT_GT(offer.in_time, 0.1);
  EXPECT_LT(offer.in_time, 0.9);
}

// A market that has none of its machines for long is planned further.
TEST(AdviceTest, WhatTakesLongerThanIsExpectedEndsAllTheSame) {
  AdviceOptions options{.goodput = AllCounts};
  options.market = {.bulk = 1, .away = absl::Hours(20)};
  MeasuredWork work = Work();
  work.rate_error = 0.5;
  const Offer offer = WithWorkers(Offers(Kinds(3), work, options), 1);
  EXPECT_TRUE(std::isfinite(offer.hours.high));
  EXPECT_GT(offer.hours.high, 1.25 * kHours);
}

TEST(AdviceTest, TheSameSeedGivesTheSame) {
  AdviceOptions options{.goodput = AllCounts};
  options.market = {.bulk = 2, .away = absl::Minutes(30)};
  const Offer one = WithWorkers(Offers(Kinds(1), Work(), options), 4);
  const Offer two = WithWorkers(Offers(Kinds(1), Work(), options), 4);
  EXPECT_EQ(one.hours.high, two.hours.high);
  EXPECT_EQ(one.price.low, two.price.low);
}

}  // namespace
}  // namespace ebb::tools
