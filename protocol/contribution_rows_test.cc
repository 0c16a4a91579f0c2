#include "protocol/contribution_rows.h"

#include <cstdint>
#include <set>

#include "gtest/gtest.h"

namespace ebb {
namespace {

TEST(ContributionRowsTest, UnmixIsTheInverseOfMix) {
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t x = HashAppend(7, i);
    EXPECT_EQ(Mix64(Unmix64(x)), x);
    EXPECT_EQ(Unmix64(Mix64(x)), x);
  }
}

TEST(ContributionRowsTest, ARowLiesInThePartitionThatItsKeyNames) {
  for (const int32_t partitions : {1, 2, 3, 7, 64, 4096, 65536}) {
    JobPlan plan;
    plan.partitions = partitions;
    std::set<uint64_t> keys;
    for (int32_t p = 0; p < partitions; p += 1 + partitions / 20) {
      for (const int64_t example :
           {int64_t{0}, int64_t{1}, int64_t{99}, kMostContributors - 1}) {
        for (const int64_t row :
             {int64_t{0}, int64_t{1}, kMostContributionRows - 1}) {
          const uint64_t key =
              ContributionKey(plan, PartitionId(p), example, row);
          EXPECT_EQ(plan.PartitionOfKey(key), PartitionId(p))
              << p << " of " << partitions << ", example " << example;
          EXPECT_TRUE(keys.insert(key).second);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ebb
