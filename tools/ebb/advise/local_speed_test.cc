#include "tools/ebb/advise/local_speed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

constexpr char kHeader[] = "seconds,epoch,applied,examples\n";

TEST(LocalSpeedTest, IsThatBetweenTheSamples) {
  std::string csv = absl::StrCat(kHeader, "0.5,1,0,9000\n");
  for (int i = 1; i <= 11; ++i) {
    absl::StrAppend(&csv, i, ",1,", 100 * i, ",9000\n");
  }
  const auto speed = SpeedOfSamples(csv);
  ASSERT_TRUE(speed.ok()) << speed.status();
  EXPECT_DOUBLE_EQ(speed->rate, 100);
  EXPECT_NEAR(speed->rate_error, 0, 1e-9);
  EXPECT_EQ(speed->load, absl::Seconds(1));
  EXPECT_EQ(speed->measured, absl::Seconds(10));
}

TEST(LocalSpeedTest, ItsErrorIsThatOfItsParts) {
  std::string csv = kHeader;
  double applied = 1;
  for (int i = 0; i <= 10; ++i) {
    absl::StrAppend(&csv, i, ",1,", applied, ",9000\n");
    applied += i < 4 ? 50 : 150;
  }
  const auto speed = SpeedOfSamples(csv);
  ASSERT_TRUE(speed.ok()) << speed.status();
  EXPECT_DOUBLE_EQ(speed->rate, 110);
  // Fifths of 50, 50, 150, 150, 150.
  EXPECT_NEAR(speed->rate_error, 54.77 / 110, 0.01);
}

TEST(LocalSpeedTest, TooShortOrBrokenIsAnError) {
  for (const char* rows : {"", "1,1,5,9\n", "1,1,5,9\n1.1,1,9,9\n1.2,1,9,9\n",
                           "x,y\n,,,\n", "1,1,0,9\n5,1,0,9\n9,1,0,9\n"}) {
    EXPECT_THAT(SpeedOfSamples(absl::StrCat(kHeader, rows)).status().ToString(),
                HasSubstr("--rate"))
        << rows;
  }
  EXPECT_FALSE(SpeedOfSamples("").ok());
  EXPECT_THAT(
      SpeedOfSamples(absl::StrCat(kHeader, "1,1,5,9\n5,1,5,9\n9,1,5,9\n"))
          .status()
          .ToString(),
      HasSubstr("did not advance"));
}

TEST(LocalSpeedTest, ARunThatFailsIsQuoted) {
  LocalSpeedOptions options;
  options.program_folder = "/nonexistent";
  auto signals = SignalWaiter::Create();
  ASSERT_TRUE(signals.ok()) << signals.status();
  EXPECT_FALSE(MeasureLocalSpeed(options, &*signals).ok());
}

}  // namespace
}  // namespace ebb::tools
