#include "scheduler/job/lease_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "scheduler/job/mark_table.h"

namespace ebb::scheduler {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Lt;

constexpr SessionId kA(1), kB(2), kC(3);

// Two epochs of `windows` windows of 2 items of 4 examples.
class LeasePlacesTest : public testing::Test {
 protected:
  static JobPlan PlanOf(int64_t windows) {
    JobPlan plan;
    plan.epochs = 2;
    plan.examples = 8 * windows;
    plan.shard_size = 4;
    plan.parameters = 16;
    plan.seed = 7;
    return plan;
  }

  explicit LeasePlacesTest(int64_t windows = 4)
      : plan_(PlanOf(windows)),
        marks_(plan_),
        leases_(plan_, marks_),
        places_(plan_, leases_, 8),
        order_(plan_.seed, {plan_.examples, plan_.shard_size, 8}) {}

  int64_t Lease(SessionId worker) {
    const auto lowest = leases_.LowestOpen();
    EXPECT_TRUE(lowest.has_value());
    const auto chosen = places_.Choose(worker, *lowest);
    EXPECT_TRUE(chosen.has_value());
    leases_.Take(*chosen, worker, absl::InfiniteFuture());
    places_.Leased(worker, *chosen);
    return *chosen;
  }
  // The item is done; nothing is known of its marks.
  void Done(SessionId worker, int64_t ordinal) {
    leases_.Done(ordinal, worker, absl::InfiniteFuture());
  }
  int64_t WindowOf(int64_t ordinal) const {
    return order_.WindowOf(plan_.ItemAt(ordinal));
  }

  const JobPlan plan_;
  MarkTable marks_;
  LeaseTable leases_;
  LeasePlaces places_;
  const data::Order order_;
};

TEST_F(LeasePlacesTest, ItemsOfAWindowStickToOneWorker) {
  EXPECT_EQ(Lease(kA), 0);
  EXPECT_EQ(Lease(kB), 2);
  EXPECT_EQ(Lease(kC), 4);
  EXPECT_EQ(Lease(kB), 3);
  EXPECT_EQ(Lease(kA), 1);
  EXPECT_EQ(Lease(kA), 6);
}

TEST_F(LeasePlacesTest, WhatOthersHaveIsTakenWhenNothingElseIsLeft) {
  EXPECT_EQ(Lease(kA), 0);
  EXPECT_EQ(Lease(kB), 2);
  EXPECT_EQ(Lease(kB), 3);
  EXPECT_EQ(Lease(kB), 4);
  EXPECT_EQ(Lease(kB), 5);
  EXPECT_EQ(Lease(kB), 6);
  EXPECT_EQ(Lease(kB), 7);
  EXPECT_EQ(Lease(kB), 1);
}

TEST_F(LeasePlacesTest, TheNextEpochBeginsWhenAllOfThisOneIsLeased) {
  std::vector<int64_t> first;
  for (int i = 0; i < 8; ++i) first.push_back(Lease(i % 2 == 0 ? kA : kB));
  EXPECT_THAT(first, Each(Lt(8)));
  EXPECT_THAT(Lease(kA), Ge(8));
}

TEST_F(LeasePlacesTest, AWorkerGetsItsWindowsInTheNextEpoch) {
  std::set<int64_t> of_a, of_b;
  for (int i = 0; i < 4; ++i) {
    const int64_t a = Lease(kA), b = Lease(kB);
    of_a.insert(WindowOf(a));
    of_b.insert(WindowOf(b));
    Done(kA, a);
    Done(kB, b);
  }
  ASSERT_EQ(of_a.size(), 2u);
  ASSERT_EQ(of_b.size(), 2u);
  for (int i = 0; i < 4; ++i) {
    const int64_t a = Lease(kA), b = Lease(kB);
    EXPECT_TRUE(of_a.contains(WindowOf(a))) << a;
    EXPECT_TRUE(of_b.contains(WindowOf(b))) << b;
    Done(kA, a);
    Done(kB, b);
  }
}

TEST_F(LeasePlacesTest, TheWindowsOfAWorkerThatIsGoneAreNobodys) {
  EXPECT_EQ(Lease(kA), 0);
  EXPECT_EQ(Lease(kB), 2);
  leases_.Release(0, kA);
  places_.Forget(kA);
  Lease(kB);
  EXPECT_EQ(Lease(kB), 0);
}

// A new scheduler hears what workers hold.
TEST_F(LeasePlacesTest, AWorkerStaysWithTheWindowOfALeaseThatItHadBefore) {
  ASSERT_TRUE(leases_.Adopt(4, kA, absl::InfiniteFuture()));
  EXPECT_EQ(Lease(kA), 5);
}

TEST_F(LeasePlacesTest, AWindowThatAnotherHoldsFromBeforeIsNotNobodys) {
  leases_.Take(0, kA, absl::InfiniteFuture());
  EXPECT_EQ(Lease(kB), 2);
  EXPECT_EQ(Lease(kA), 1);
}

class ManyWindowsTest : public LeasePlacesTest {
 protected:
  ManyWindowsTest() : LeasePlacesTest(1000) {}
};

// The other one never asks again.
TEST_F(ManyWindowsTest, AnItemIsPassedOverForAFewWindowsOnly) {
  EXPECT_EQ(Lease(kA), 0);
  int64_t passed = 0;
  for (;; ++passed) {
    const int64_t ordinal = Lease(kB);
    Done(kB, ordinal);
    if (ordinal == 1) break;
    ASSERT_LT(passed, 2000);
  }
  // Two workers look at 16 windows, of which one is that of the item.
  EXPECT_EQ(passed, 2 * 15);
}

TEST(LeasePlacesAloneTest, WithoutWindowsTheLowestItemGoesFirst) {
  JobPlan plan;
  plan.examples = 32;
  plan.shard_size = 4;
  plan.parameters = 16;
  const MarkTable marks(plan);
  const LeaseTable leases(plan, marks);
  // The last is not a multiple of an item: jobs do not have such windows.
  for (const int64_t window : {0, 32, 6}) {
    LeasePlaces places(plan, leases, window);
    places.Leased(kA, 5);
    EXPECT_EQ(places.Choose(kA, 2), 2) << window;
  }
}

}  // namespace
}  // namespace ebb::scheduler
