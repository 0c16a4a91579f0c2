#include "tools/text/console.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(ConsoleTest, WritesNumbersForPeople) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(60000), "60,000");
  EXPECT_EQ(WithCommas(-1234567), "-1,234,567");
  EXPECT_EQ(Short(0), "0");
  EXPECT_EQ(Short(12), "12");
  EXPECT_EQ(Short(1.234), "1.23");
  EXPECT_EQ(Short(999), "999");
  EXPECT_EQ(Short(1234), "1.23k");
  EXPECT_EQ(Short(112345), "112k");
  EXPECT_EQ(Short(12345678), "12.3M");
  EXPECT_EQ(LossText(0.32412, 4), "0.3241");
  EXPECT_EQ(LossText(-std::nan(""), 4), "nan");
  EXPECT_EQ(LossText(-std::numeric_limits<double>::infinity(), 3), "-inf");
  EXPECT_EQ(Count(1, "worker"), "1 worker");
  EXPECT_EQ(Count(1000, "worker"), "1,000 workers");
  EXPECT_EQ(BytesText(1000), "1000 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(int64_t{3} << 30), "3.0 GiB");
}

TEST(ConsoleTest, WritesDurationsForPeople) {
  EXPECT_EQ(DurationText(absl::Milliseconds(40)), "0.04 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(4600)), "4.6 s");
  EXPECT_EQ(DurationText(absl::Seconds(192)), "3 min 12 s");
  EXPECT_EQ(DurationText(absl::Seconds(7500)), "2 h 5 min");
  EXPECT_EQ(AgeText(absl::Seconds(9)), "9s");
  EXPECT_EQ(AgeText(absl::Seconds(130)), "2m");
  EXPECT_EQ(AgeText(absl::Hours(50)), "2d");
}

TEST(ConsoleTest, AlignsColumnsByWhatIsSeen) {
  TextTable table({"NAME", "N"}, {1});
  table.Add({"\x1b[32mup\x1b[0m", "1"});
  table.Add(
      {"\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81", "100"});
  EXPECT_EQ(table.ToString(),
            "NAME     N\n"
            "\x1b[32mup\x1b[0m       1\n"
            "\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81  "
            "100\n");
}

TEST(ConsoleTest, PaintsOnlyWhereThereAreColors) {
  EXPECT_EQ(Paint({}, Ink::kRed, "x"), "x");
  EXPECT_EQ(Paint({.color = true}, Ink::kRed, "x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace ebb::tools
