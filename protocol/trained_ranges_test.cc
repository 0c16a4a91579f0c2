#include "protocol/trained_ranges.h"

#include <cstring>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Partitions [0, 4), [4, 8), [8, 10).
JobPlan PlanOfTen() {
  JobPlan plan;
  plan.parameters = 10;
  plan.partitions = 3;
  plan.block_floats = 4;
  return plan;
}

TEST(TrainedRangesTest, CutPartitionsIntoTheirTrainedParts) {
  // [1, 3) and [4, 8) are frozen.
  const TrainedRanges ranges(PlanOfTen(), {{0, 1}, {3, 4}, {8, 10}});

  EXPECT_EQ(ranges.floats(), 4);
  EXPECT_THAT(ranges.PartsOf(PartitionId(0)),
              ElementsAre(FloatRange{0, 1}, FloatRange{3, 4}));
  EXPECT_THAT(ranges.PartsOf(PartitionId(1)), IsEmpty());
  EXPECT_THAT(ranges.PartsOf(PartitionId(2)), ElementsAre(FloatRange{8, 10}));
  EXPECT_EQ(ranges.RunOf(PartitionId(0)), (FloatRange{0, 2}));
  EXPECT_EQ(ranges.RunOf(PartitionId(1)), (FloatRange{2, 2}));
  EXPECT_EQ(ranges.RunOf(PartitionId(2)), (FloatRange{2, 4}));
}

TEST(TrainedRangesTest, CutATableThatSeveralPartitionsHave) {
  const TrainedRanges ranges(PlanOfTen(), {{2, 9}});

  EXPECT_THAT(ranges.PartsOf(PartitionId(0)), ElementsAre(FloatRange{2, 4}));
  EXPECT_THAT(ranges.PartsOf(PartitionId(1)), ElementsAre(FloatRange{4, 8}));
  EXPECT_THAT(ranges.PartsOf(PartitionId(2)), ElementsAre(FloatRange{8, 9}));
  EXPECT_EQ(ranges.RunOf(PartitionId(1)), (FloatRange{2, 6}));
}

TEST(TrainedRangesTest, TakeTheTrainedPartOfValues) {
  const TrainedRanges ranges(PlanOfTen(), {{0, 1}, {3, 4}, {8, 10}});
  std::vector<float> values(10);
  std::iota(values.begin(), values.end(), 0.0f);

  EXPECT_THAT(ranges.TrainedOf(values), ElementsAre(0, 3, 8, 9));
  const Payload payload = ranges.TrainedOf(Payload::Of(values));
  std::vector<float> got(4);
  ASSERT_EQ(payload.size(), 16);
  payload.CopyTo(std::as_writable_bytes(std::span(got)));
  EXPECT_THAT(got, ElementsAre(0, 3, 8, 9));
}

TEST(TrainedRangesTest, OfAJobWithoutFrozenTablesAreItsPartitions) {
  const JobPlan plan = PlanOfTen();
  EXPECT_EQ(PushedRun(plan, nullptr, PartitionId(1)), (FloatRange{4, 8}));
  const TrainedRanges ranges(plan, {{4, 6}});
  EXPECT_EQ(PushedRun(plan, &ranges, PartitionId(1)), (FloatRange{0, 2}));
}

}  // namespace
}  // namespace ebb
