#include "models/internal/thread_team.h"

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::models::internal {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(ThreadTeamTest, EachPartIsComputedOnceInEachRun) {
  constexpr int kThreads = 4, kRuns = 500;
  ThreadTeam team(kThreads);
  ASSERT_EQ(team.size(), kThreads);
  // Plain numbers: a run must see what the run before wrote.
  std::vector<int64_t> counts(kThreads, 0);
  for (int run = 0; run < kRuns; ++run) {
    team.Run(kThreads, [&](int part) { ++counts[part]; });
  }
  EXPECT_THAT(counts, Each(kRuns));
}

TEST(ThreadTeamTest, ARunMayHaveFewerPartsThanThreads) {
  constexpr int kThreads = 4, kRounds = 100;
  ThreadTeam team(kThreads);
  std::vector<int64_t> counts(kThreads, 0);
  for (int round = 0; round < kRounds; ++round) {
    for (int parts = 1; parts <= kThreads; ++parts) {
      team.Run(parts, [&](int part) {
        EXPECT_LT(part, parts);
        ++counts[part];
      });
    }
  }
  // Runs of 1 to 4 parts: all have part 0, and one has part 3.
  EXPECT_THAT(counts,
              ElementsAre(4 * kRounds, 3 * kRounds, 2 * kRounds, kRounds));
}

TEST(ThreadTeamTest, ThreadsThatSleepAreWoken) {
  ThreadTeam team(3);
  std::vector<int64_t> counts(3, 0);
  for (int run = 0; run < 20; ++run) {
    // Longer than a thread looks for work.
    const absl::Time end = absl::Now() + absl::Milliseconds(2);
    while (absl::Now() < end) {
    }
    team.Run(3, [&](int part) { ++counts[part]; });
  }
  EXPECT_THAT(counts, Each(20));
}

TEST(ThreadTeamTest, OneThatNeverRanEnds) { const ThreadTeam team(8); }

TEST(ThreadTeamTest, TheThreadsOfARunAreDifferentOnes) {
  // Each waits for the other.
  ThreadTeam team(2);
  std::atomic<int> there = 0;
  team.Run(2, [&](int) {
    there.fetch_add(1);
    while (there.load() < 2) {
    }
  });
  EXPECT_EQ(there.load(), 2);
}

}  // namespace
}  // namespace ebb::models::internal
