#include "protocol/initial_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace ebb {
namespace {

using ::testing::ElementsAre;

JobPlan TwoTables() {
  JobPlan plan;
  plan.partitions = 3;
  plan.sparse_tables = {{.width = 2}, {.width = 1}};
  return plan;
}

InitialRowsDirectory Directory(const JobPlan& plan) {
  return {plan, {1, 0}, {2, 0, 0, 1, 3, 5}};
}

TEST(InitialRowsTest, RunsLieOneAfterTheOther) {
  const JobPlan plan = TwoTables();
  const InitialRowsDirectory directory = Directory(plan);
  // A row of the first table has 8 bytes and 4 floats, one of the second 8
  // bytes and 1 float.
  EXPECT_EQ(directory.Of(PartitionId(0), 0).row_bytes(), 24);
  EXPECT_EQ(directory.Of(PartitionId(0), 1).row_bytes(), 12);
  const int64_t begin = 8 * (2 + 6);
  EXPECT_EQ(directory.BeginOf(PartitionId(0)), begin);
  EXPECT_EQ(directory.BeginOf(PartitionId(1)), begin + 48);
  EXPECT_EQ(directory.BeginOf(PartitionId(2)), begin + 48 + 12);
  EXPECT_EQ(directory.bytes(), begin + 48 + 12 + 72 + 60);
  EXPECT_EQ(directory.Of(PartitionId(2), 1).rows, 5);
}

TEST(InitialRowsTest, IsReadAsItWasWritten) {
  const JobPlan plan = TwoTables();
  const InitialRowsDirectory directory = Directory(plan);
  const std::vector<int64_t> words = directory.Encode();
  EXPECT_THAT(words, ElementsAre(1, 0, 2, 0, 0, 1, 3, 5));
  const auto read =
      InitialRowsDirectory::Decode(plan, words, directory.bytes());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->Encode(), words);
}

TEST(InitialRowsTest, RefusesADirectoryOfOtherRows) {
  const JobPlan plan = TwoTables();
  const InitialRowsDirectory directory = Directory(plan);
  const auto refuses = [&](size_t word, int64_t value, int64_t more_bytes) {
    std::vector<int64_t> words = directory.Encode();
    words[word] = value;
    return absl::IsDataLoss(InitialRowsDirectory::Decode(
                                plan, words, directory.bytes() + more_bytes)
                                .status());
  };
  EXPECT_TRUE(refuses(0, -1, 0));
  EXPECT_TRUE(refuses(0, 9, 0));
  EXPECT_TRUE(refuses(0, 0, 0));
  EXPECT_TRUE(refuses(2, 3, 0));
  EXPECT_TRUE(refuses(2, 1, 0));
  EXPECT_TRUE(refuses(7, int64_t{1} << 62, 0));
  EXPECT_TRUE(refuses(7, -1, 0));
  EXPECT_TRUE(refuses(7, 5, 12));
  EXPECT_TRUE(refuses(7, 5, -directory.bytes()));
}

}  // namespace
}  // namespace ebb
