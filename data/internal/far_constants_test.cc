#include "data/internal/far_constants.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What is found in one column that has `other` 90 times, in turn, and then
// `odd` 10 times.
std::vector<std::string> FoundIn(const std::vector<double>& others,
                                 double odd) {
  FarConstants constants;
  for (size_t i = 0; i < 90; ++i) constants.Add(0, others[i % others.size()]);
  for (int i = 0; i < 10; ++i) constants.Add(0, odd);
  std::vector<std::string> texts;
  for (const FarConstants::Found& one : constants.Find()) {
    texts.push_back(one.text);
  }
  return texts;
}

TEST(FarConstantsTest, FindsWhatMayStandForAMissingValue) {
  EXPECT_THAT(FoundIn({18, 83.5, 40}, -999),
              ElementsAre("-999 in 10 of 100 rows, far from its other values, "
                          "18 to 83.5"));
  EXPECT_THAT(FoundIn({0.5, 1, 2}, 99),
              ElementsAre("99 in 10 of 100 rows, far from its other values, "
                          "0.5 to 2"));
  EXPECT_THAT(FoundIn({0.5, 1, 2}, 1e6),
              ElementsAre("1e+06 in 10 of 100 rows, far from its other values, "
                          "0.5 to 2"));
}

TEST(FarConstantsTest, OtherColumnsHaveNone) {
  EXPECT_THAT(FoundIn({0, 1}, 3), IsEmpty());
  EXPECT_THAT(FoundIn({1, 2}, 5), IsEmpty());
  EXPECT_THAT(FoundIn({1}, -999), IsEmpty());  // Two classes, perhaps.
  EXPECT_THAT(FoundIn({1000, 1010}, 0), IsEmpty());
  EXPECT_THAT(FoundIn({0, 50'000, 100'000}, -999), IsEmpty());
  EXPECT_THAT(FoundIn({0.1, 0.2}, 98.6), IsEmpty());
}

TEST(FarConstantsTest, AFewRowsAreOutliers) {
  FarConstants constants;
  for (int i = 0; i < 2000; ++i) constants.Add(3, i % 7);
  for (int i = 0; i < 12; ++i) constants.Add(3, -999);
  EXPECT_THAT(constants.Find(), IsEmpty());
  for (int i = 0; i < 12; ++i) constants.Add(3, -999);
  ASSERT_EQ(constants.Find().size(), 1);
  EXPECT_EQ(constants.Find()[0].column, 3);
}

TEST(FarConstantsTest, ColumnsBeyondTheFirstAreNotLookedAt) {
  FarConstants constants;
  constants.Add(size_t{1} << 31, 1);
  EXPECT_THAT(constants.Find(), IsEmpty());
}

}  // namespace
}  // namespace ebb::data::internal
