#include "server/memory_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace ebb::server {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(MemoryBudgetTest, PartsOfHalfAGibibyte) {
  const auto budget = DivideMemory(512 * kMiB);

  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->push_bytes, 64 * kMiB);
  EXPECT_EQ(budget->received_bytes, 128 * kMiB);
  EXPECT_EQ(budget->write_buffer_bytes, 16 * kMiB);
  // Nine tenths of 512 - 64 - 128 - 48.
  EXPECT_NEAR(static_cast<double>(budget->value_bytes) / kMiB, 244.8, 0.1);
}

TEST(MemoryBudgetTest, PartsAreLessThanTheWholeWhateverItIs) {
  for (int64_t bytes = kLeastMemory; bytes < (int64_t{1} << 42);
       bytes += bytes / 3) {
    const auto budget = DivideMemory(bytes);
    ASSERT_TRUE(budget.ok()) << bytes;
    EXPECT_GT(budget->value_bytes, 0) << bytes;
    EXPECT_LT(budget->value_bytes + budget->received_bytes +
                  3 * budget->write_buffer_bytes + 64 * kMiB,
              bytes);
  }
}

// A large machine is for values: what is on its way has a bound of its own.
TEST(MemoryBudgetTest, MostOfAMuchLargerMemoryIsForValues) {
  const auto budget = DivideMemory(int64_t{64} << 30);
  ASSERT_TRUE(budget.ok());
  EXPECT_GT(budget->value_bytes, int64_t{55} << 30);
}

TEST(MemoryBudgetTest, RefusesLessThanTheProgramNeeds) {
  const auto budget = DivideMemory(kLeastMemory - 1);
  EXPECT_EQ(budget.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(budget.status().message()),
              testing::HasSubstr("at least 128MiB"));
}

TEST(MemoryBudgetTest, CountsWhatTrainingHolds) {
  JobPlan plan;
  // Weights and those of the next step; adam's two slots beside.
  EXPECT_EQ(CopiesOfWeights(plan, 0), 2);
  EXPECT_EQ(CopiesOfWeights(plan, 2), 4);
  plan.consistency.kind = ConsistencyKind::kRounds;
  plan.consistency.rounds_in_memory = 2;
  EXPECT_EQ(CopiesOfWeights(plan, 0), 7);
}

TEST(MemoryBudgetTest, CountsFrozenValuesOnce) {
  JobPlan plan;
  plan.parameters = 40;
  plan.block_floats = 8;
  const PartitionId all(0);
  EXPECT_EQ(BlocksOf(plan, 2, nullptr, all), 4 * 5);
  // Two parts of the second block, and the last one.
  const TrainedRanges trained(plan, {{8, 10}, {12, 14}, {33, 40}});
  EXPECT_EQ(BlocksOf(plan, 2, &trained, all), 5 + 3 * 2);
}

}  // namespace
}  // namespace ebb::server
