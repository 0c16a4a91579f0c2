#include "job/base/values.h"

#include <limits>

#include "gtest/gtest.h"

namespace ebb::job {
namespace {

TEST(ValuesTest, ReadsNumbersAndFractions) {
  EXPECT_EQ(ParseNumber("0.5"), 0.5);
  EXPECT_EQ(ParseNumber("1e-3"), 0.001);
  EXPECT_EQ(ParseNumber("1/255"), 1.0 / 255);
  EXPECT_EQ(ParseNumber("-3/4"), -0.75);
  for (const char* bad : {"", "/", "1/", "/2", "1/0", "0/0", "1/2/3", "a",
                          "nan", "inf", "1e999", "0x10", "1,5"}) {
    EXPECT_EQ(ParseNumber(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, WritesTheShortestNumberThatReadsBackExactly) {
  EXPECT_EQ(NumberText(0.001), "0.001");
  EXPECT_EQ(NumberText(0), "0");
  EXPECT_EQ(NumberText(1048576), "1048576");
  EXPECT_EQ(NumberText(1.0 / 255), "1/255");
  EXPECT_EQ(NumberText(0.25), "0.25");
  EXPECT_EQ(NumberText(1e-8), "1e-08");
  for (const double value :
       {0.1, 1.0 / 3, 2.0 / 3, 1e300, -1e-300, 5e-324, 123456.789, 1e9, -2.5}) {
    EXPECT_EQ(ParseNumber(NumberText(value)), value) << NumberText(value);
  }
}

TEST(ValuesTest, ReadsPositiveFiniteIntervals) {
  EXPECT_EQ(ParseInterval("10s"), absl::Seconds(10));
  EXPECT_EQ(ParseInterval("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(ParseInterval("1m30s"), absl::Seconds(90));
  for (const char* bad : {"", "10", "0s", "-1s", "inf", "10 s", "1d"}) {
    EXPECT_EQ(ParseInterval(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, ReadsEpochs) {
  EXPECT_EQ(ParseEpochs("1 epoch"), 1);
  EXPECT_EQ(ParseEpochs("12 epochs"), 12);
  for (const char* bad : {"", "epoch", "1", "0 epochs", "-1 epochs",
                          "1.5 epochs", "1 epoch epochs"}) {
    EXPECT_EQ(ParseEpochs(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, ReadsAnEpochOrACount) {
  EXPECT_EQ(ParseEpochOrCount("epoch"), kWholeEpoch);
  EXPECT_EQ(ParseEpochOrCount("1024"), 1024);
  for (const char* bad : {"", "0", "-1", "1 epoch", "1.5"}) {
    EXPECT_EQ(ParseEpochOrCount(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, ComparesAsWritten) {
  const auto at_least = ParseComparison(">= 0.87");
  ASSERT_TRUE(at_least.has_value());
  EXPECT_TRUE(at_least->Holds(0.87));
  EXPECT_FALSE(at_least->Holds(0.8699));
  EXPECT_FALSE(at_least->Holds(std::numeric_limits<double>::quiet_NaN()));

  EXPECT_FALSE(ParseComparison(">0.5")->Holds(0.5));
  EXPECT_TRUE(ParseComparison("<= 1/2")->Holds(0.5));
  EXPECT_FALSE(ParseComparison("< 0.5")->Holds(0.5));
  EXPECT_TRUE(ParseComparison("< 0.5")->Holds(-1));
  for (const char* bad : {"", "0.5", ">=", "== 1", "=> 1", "> x", ">> 1"}) {
    EXPECT_FALSE(ParseComparison(bad).has_value()) << bad;
  }
}

TEST(ValuesTest, ReadsWhatStandsForMissingValues) {
  EXPECT_EQ(ParseMissing("error")->kind, MissingRule::Kind::kError);
  EXPECT_EQ(ParseMissing("mean")->kind, MissingRule::Kind::kMean);
  const auto constant = ParseMissing("-1.5");
  ASSERT_TRUE(constant.has_value());
  EXPECT_EQ(constant->kind, MissingRule::Kind::kConstant);
  EXPECT_EQ(constant->constant, -1.5);
  EXPECT_FALSE(ParseMissing("median").has_value());
}

TEST(ValuesTest, ReadsDelimiters) {
  for (const char* plain : {",", "|", "::", "\t", "\x01", "¦", "whitespace"}) {
    EXPECT_EQ(ParseDelimiter(plain), plain);
  }
  EXPECT_EQ(ParseDelimiter("tab"), "\t");
  EXPECT_EQ(ParseDelimiter("\\t"), "\t");
  EXPECT_EQ(ParseDelimiter("\\x01"), "\x01");
  EXPECT_EQ(ParseDelimiter("space"), " ");
  for (const char* bad :
       {"", "\"", "'", "\n", "x", "a,", "0", "-", ":::::::::", "\\q"}) {
    EXPECT_EQ(ParseDelimiter(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, ReadsSizesOfImages) {
  const auto size = ParseImageSize("32x16384");
  ASSERT_TRUE(size.has_value());
  EXPECT_EQ(size->width, 32);
  EXPECT_EQ(size->height, 16384);
  for (const char* bad :
       {"", "28", "x", "28x", "x28", "0x28", "28x16385", "28x28x3", "28 x 28",
        "-1x28", "+1x28", "28X28", "99999999999x1"}) {
    EXPECT_FALSE(ParseImageSize(bad).has_value()) << bad;
  }
}

TEST(ValuesTest, TakesOnlyNamesFitForAFolder) {
  EXPECT_TRUE(IsName("fashion-mnist_2.1"));
  EXPECT_TRUE(IsName(std::string(63, 'a')));
  for (const char* bad : {"", "..", ".a", "-a", "a/b", "A", "a b", "ä"}) {
    EXPECT_FALSE(IsName(bad)) << bad;
  }
  EXPECT_FALSE(IsName(std::string(64, 'a')));
}

}  // namespace
}  // namespace ebb::job
