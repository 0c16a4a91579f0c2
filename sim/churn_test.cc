#include "sim/churn.h"

#include <cstdint>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::sim {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr absl::Duration kDay = absl::Hours(24);

TEST(ChurnTest, ThePlanIsAFunctionOfItsArguments) {
  const ChurnRates rates{.losses_per_worker_hour = 2};

  const Churn plan = PlanChurn(rates, 20, kDay, Rng(7));

  EXPECT_GT(plan.events.size(), 1000u);
  EXPECT_THAT(PlanChurn(rates, 20, kDay, Rng(7)).events,
              ElementsAreArray(plan.events));
  EXPECT_NE(PlanChurn(rates, 20, kDay, Rng(8)).events, plan.events);
}

TEST(ChurnTest, AShorterPlanIsTheBeginningOfALongerOne) {
  const ChurnRates rates{.losses_per_worker_hour = 2, .bulk = 2.5};
  const Churn whole = PlanChurn(rates, 20, kDay, Rng(7));
  for (const absl::Duration length : {absl::Minutes(1), absl::Hours(5)}) {
    const Churn some = PlanChurn(rates, 20, length, Rng(7));
    ASSERT_LE(some.events.size(), whole.events.size());
    for (size_t i = 0; i < some.events.size(); ++i) {
      EXPECT_EQ(some.events[i].at, whole.events[i].at);
      EXPECT_EQ(some.events[i].comes, whole.events[i].comes);
    }
    if (some.events.size() < whole.events.size()) {
      EXPECT_GE(whole.events[some.events.size()].at, length);
    }
  }
}

TEST(ChurnTest, WorkersAreTakenOnlyWhileTheyAreThere) {
  const Churn plan =
      PlanChurn({.losses_per_worker_hour = 5, .bulk = 3}, 30, kDay, Rng(1));

  std::set<int> there;
  for (int i = 0; i < plan.at_first; ++i) there.insert(i);
  absl::Duration last;
  for (const WorkerEvent& event : plan.events) {
    EXPECT_GE(event.at, last);
    EXPECT_LT(event.at, kDay);
    EXPECT_LT(event.worker, plan.workers);
    if (event.comes) {
      EXPECT_TRUE(there.insert(event.worker).second);
    } else {
      EXPECT_EQ(there.erase(event.worker), 1u);
    }
    last = event.at;
  }
}

TEST(ChurnTest, WorkersAreLostAtTheRateWhateverTheBulkAndAreReplaced) {
  for (const double bulk : {1.0, 2.5}) {
    const Churn plan = PlanChurn(
        {.losses_per_worker_hour = 2, .bulk = bulk, .away = absl::Minutes(10)},
        100, kDay, Rng(3));

    const double hours =
        absl::ToDoubleHours(plan.Presence(absl::ZeroDuration(), kDay));
    EXPECT_NEAR(hours, 100 * 24, 100) << bulk;
    const auto losses =
        static_cast<double>(plan.Losses(absl::ZeroDuration(), kDay));
    EXPECT_NEAR(losses / hours, 2, 0.1) << bulk;
    std::set<absl::Duration> instants;
    for (const WorkerEvent& event : plan.events) {
      if (!event.comes) instants.insert(event.at);
    }
    EXPECT_NEAR(losses / static_cast<double>(instants.size()), bulk, 0.05);
  }
}

// Workers that are away at first come back as if it had always been so.
TEST(ChurnTest, AsManyAreThereAtFirstAsLater) {
  const Churn plan =
      PlanChurn({.losses_per_worker_hour = 1, .away = absl::Hours(1)}, 1000,
                kDay, Rng(5));

  EXPECT_EQ(plan.at_first, 1000);
  for (int hour = 0; hour < 24; hour += 4) {
    const absl::Duration from = absl::Hours(hour),
                         until = from + absl::Hours(4);
    EXPECT_NEAR(absl::ToDoubleHours(plan.Presence(from, until)), 4000, 250)
        << hour;
  }
}

TEST(ChurnTest, WithoutLossesEverybodyStays) {
  const Churn plan = PlanChurn({}, 3, kDay, Rng(1));

  EXPECT_THAT(plan.events, IsEmpty());
  EXPECT_EQ(plan.workers, 3);
  EXPECT_EQ(plan.Presence(absl::Hours(1), absl::Hours(3)), absl::Hours(6));
}

TEST(ChurnTest, ABulkTakesNoMoreThanAreThere) {
  const Churn plan = PlanChurn(
      {.losses_per_worker_hour = 1, .bulk = 50, .away = absl::Milliseconds(1)},
      2, kDay, Rng(2));

  EXPECT_NEAR(static_cast<double>(plan.Losses(absl::ZeroDuration(), kDay)), 48,
              20);
}

}  // namespace
}  // namespace ebb::sim
