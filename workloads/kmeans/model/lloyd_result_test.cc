#include "workloads/kmeans/model/lloyd_result.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::workloads {
namespace {

using ::testing::ElementsAre;

LloydResult Two() {
  return {.inertia = 2.5,
          .rounds = 7,
          .converged = true,
          .values = {1, 2, 3, 4, 5, 6}};
}

TEST(LloydResultTest, ReadsWhatItWrote) {
  const std::string bytes = Two().Encode();
  EXPECT_EQ(static_cast<int64_t>(bytes.size()),
            LloydResult::EncodedBytes(2, 2));
  EXPECT_EQ(bytes.size(), 16 + 6 * 4);
  const auto read = LloydResult::Decode(bytes, 2, 2);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->inertia, 2.5);
  EXPECT_EQ(read->rounds, 7);
  EXPECT_TRUE(read->converged);
  EXPECT_THAT(read->values, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(LloydResultTest, RefusesOtherBytes) {
  const std::string bytes = Two().Encode();
  EXPECT_TRUE(absl::IsDataLoss(LloydResult::Decode(bytes, 3, 2).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(LloydResult::Decode(bytes.substr(1), 2, 2).status()));
  LloydResult lost = Two();
  lost.values[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(
      absl::IsDataLoss(LloydResult::Decode(lost.Encode(), 2, 2).status()));
  lost = Two();
  lost.inertia = -1;
  EXPECT_TRUE(
      absl::IsDataLoss(LloydResult::Decode(lost.Encode(), 2, 2).status()));
}

}  // namespace
}  // namespace ebb::workloads
