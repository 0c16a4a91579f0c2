#include "data/formats/far_constants.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Column `column` has `others` 90 times, in turn, and then `odd` 10 times.
void AddColumn(size_t column, const std::vector<double>& others, double odd,
               absl::string_view text, FarConstants* constants) {
  for (size_t i = 0; i < 90; ++i) {
    const double other = others[i % others.size()];
    constants->Add(column, other, absl::StrCat(other));
  }
  for (int i = 0; i < 10; ++i) {
    constants->Add(column, odd, i == 0 ? text : absl::string_view("later"));
  }
}

// Returns what is found in one such column.
std::vector<std::string> FoundIn(const std::vector<double>& others, double odd,
                                 absl::string_view text = "odd") {
  FarConstants constants;
  AddColumn(0, others, odd, text, &constants);
  std::vector<std::string> texts;
  for (const FarConstants::Found& one : constants.Find()) {
    texts.push_back(absl::StrCat(one.text, " ", one.where));
  }
  return texts;
}

std::vector<double> Count(int to) {
  std::vector<double> values;
  for (int i = 1; i <= to; ++i) values.push_back(i);
  return values;
}

TEST(FarConstantsTest, FindsWhatMayStandForAMissingValue) {
  EXPECT_THAT(FoundIn({18, 83.5, 40}, -999, "-999.0"),
              ElementsAre("-999.0 in 10 of 100 rows, far from its other "
                          "values, 18 to 83.5"));
  EXPECT_THAT(FoundIn({0.5, 1, 2}, 99, "99"),
              ElementsAre("99 in 10 of 100 rows, far from its other values, "
                          "0.5 to 2"));
  EXPECT_THAT(FoundIn(Count(20), 1e6, "1000000"),
              ElementsAre("1000000 in 10 of 100 rows, far from its other "
                          "values, 1 to 20"));
  EXPECT_THAT(FoundIn({1'000'000, 3'000'000, 2'000'000}, -99'999'999, "-1e8"),
              ElementsAre("-1e8 in 10 of 100 rows, far from its other values, "
                          "1000000 to 3000000"));
  EXPECT_THAT(FoundIn({0, 0.5, 1}, -100),
              ElementsAre("odd in 10 of 100 rows, far from its other values, "
                          "0 to 1"));
}

TEST(FarConstantsTest, OtherColumnsHaveNone) {
  EXPECT_THAT(FoundIn({0, 1}, 3), IsEmpty());
  EXPECT_THAT(FoundIn({1, 2}, 5), IsEmpty());
  EXPECT_THAT(FoundIn({1}, -999), IsEmpty());  // Two classes, perhaps.
  EXPECT_THAT(FoundIn({1000, 1010}, 0), IsEmpty());
  EXPECT_THAT(FoundIn({0, 50'000, 100'000}, -999), IsEmpty());
  EXPECT_THAT(FoundIn({0.1, 0.2}, 98.6), IsEmpty());
}

// Bug: the largest step of a scale was told as one.
TEST(FarConstantsTest, StepsOfAScaleAreNone) {
  EXPECT_THAT(FoundIn({1, 10, 100}, 1000), IsEmpty());
  EXPECT_THAT(FoundIn({0.001, 0.01, 0.1}, 1), IsEmpty());
  EXPECT_THAT(FoundIn({0, 1}, 10), IsEmpty());
  EXPECT_THAT(FoundIn({1, 2}, 24), IsEmpty());
  EXPECT_THAT(FoundIn({1, 2, 3}, 64), IsEmpty());
  EXPECT_THAT(FoundIn({1, 10, 100}, 10'000), IsEmpty());
  EXPECT_THAT(FoundIn(Count(20), 300), IsEmpty());
}

// Bug: only the rows with a pair were counted.
TEST(FarConstantsTest, ASparseColumnIsZeroWhereItHasNoValue) {
  FarConstants constants;
  AddColumn(7, {50, 60}, 999, "999", &constants);
  EXPECT_THAT(constants.FindInSparse(1001), IsEmpty());  // Below 1 %.
  const auto found = constants.FindInSparse(1000);
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].where,
            "in 10 of 1000 rows, far from its other values, 0 to 60");
  FarConstants near_zero;
  AddColumn(7, {500, 600}, 999, "999", &near_zero);
  EXPECT_EQ(near_zero.FindInSparse(100).size(), 1);
  EXPECT_THAT(near_zero.FindInSparse(101), IsEmpty());
}

TEST(FarConstantsTest, OneSentenceTellsOfAllColumnsWithTheNumber) {
  FarConstants constants;
  for (size_t c = 0; c < 40; ++c) {
    AddColumn(c, {1, 2, 3}, -999, "-999", &constants);
  }
  for (size_t c = 40; c < 50; ++c) {
    AddColumn(c, {1, 2, 3}, -100.0 - static_cast<double>(c), absl::StrCat(c),
              &constants);
  }
  const auto remarks = FarConstants::Remarks(
      constants.Find(), [](size_t c) { return absl::StrCat("column ", c); },
      [](const std::string& text) { return absl::StrCat("say ", text); });
  ASSERT_EQ(remarks.size(), 6);
  EXPECT_EQ(remarks[0],
            "40 columns have -999, the first, column 0, in 10 of 100 rows, far "
            "from its other values, 1 to 3: if it stands for a missing value, "
            "say -999");
  EXPECT_EQ(remarks[1],
            "column 40 is 40 in 10 of 100 rows, far from its other values, 1 "
            "to 3: if it stands for a missing value, say 40");
  EXPECT_EQ(remarks[5],
            "6 more columns have other numbers far from their other values");
}

TEST(FarConstantsTest, AFewRowsAreOutliers) {
  FarConstants constants;
  for (int i = 0; i < 2000; ++i) constants.Add(3, i % 7, "0");
  for (int i = 0; i < 12; ++i) constants.Add(3, -999, "-999");
  EXPECT_THAT(constants.Find(), IsEmpty());
  for (int i = 0; i < 12; ++i) constants.Add(3, -999, "-999");
  ASSERT_EQ(constants.Find().size(), 1);
  EXPECT_EQ(constants.Find()[0].column, 3);
}

TEST(FarConstantsTest, ColumnsBeyondTheFirstAreNotLookedAt) {
  FarConstants constants;
  constants.Add(size_t{1} << 31, 1, "1");
  EXPECT_THAT(constants.Find(), IsEmpty());
}

}  // namespace
}  // namespace ebb::data::internal
