// Feeders of the production code over a store with faults.
#include "sim/feeder_world.h"

#include "gtest/gtest.h"

namespace ebb::sim {
namespace {

TEST(FeederWorldTest, KeepsAllRulesUnderFaults) {
  WorldCounts counts;
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    const WorldResult result = RunFeederWorld(seed);
    ASSERT_EQ(result.violation, "") << "seed " << seed;
    counts.Add(result.counts);
  }
  // Every fault happened.
  EXPECT_GT(counts.objects, 4000);
  EXPECT_GT(counts.lost_races, 100);
  EXPECT_GT(counts.lost_answers, 100);
  EXPECT_GT(counts.late_puts, 100);
  EXPECT_GT(counts.void_puts, 0);
  EXPECT_GT(counts.floors, 100);
  EXPECT_GT(counts.lost_offsets, 100);
  EXPECT_GT(counts.deaths, 100);
  EXPECT_GT(counts.watchers, 100);
  EXPECT_GT(counts.ends, 10);
}

}  // namespace
}  // namespace ebb::sim
