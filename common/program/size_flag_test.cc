#include "common/program/size_flag.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

// Parses a flag: returns the bytes, or what is wrong.
std::string Parse(const std::string& text) {
  CLI::App app;
  uint64_t bytes = 0;
  app.add_option("--size", bytes)->transform(SizeValue());
  try {
    app.parse(std::vector<std::string>{"--size=" + text});
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return std::to_string(bytes);
}

TEST(SizeFlagTest, IsANumberOfBytesWithOrWithoutAUnit) {
  EXPECT_EQ(Parse("0"), "0");
  EXPECT_EQ(Parse("67108864"), "67108864");
  EXPECT_EQ(Parse("64MiB"), "67108864");
  EXPECT_EQ(Parse("64 mb"), "67108864");
  EXPECT_EQ(Parse("1k"), "1024");
  EXPECT_EQ(Parse("8b"), "8");
  EXPECT_EQ(Parse("3Gi"), "3221225472");
  EXPECT_EQ(Parse("010"), "10");
  EXPECT_EQ(Parse("7EiB"), "8070450532247928832");
  EXPECT_EQ(Parse("9223372036854775807"), "9223372036854775807");
}

// Bug: -1 was 18446744073709551615.
TEST(SizeFlagTest, NegativeOnesAreRefused) {
  EXPECT_EQ(Parse("-1"),
            "--size: -1 is negative; sizes are whole numbers of bytes, or as "
            "64MiB");
  EXPECT_THAT(Parse("-4GiB"), HasSubstr("-4GiB is negative"));
  EXPECT_THAT(Parse(" -1"), HasSubstr("-1 is negative"));
}

TEST(SizeFlagTest, SoIsWhatIsNoSize) {
  EXPECT_THAT(Parse("much"), HasSubstr("\"much\" is no size"));
  EXPECT_THAT(Parse("MiB"), HasSubstr("\"MiB\" is no size"));
  EXPECT_THAT(Parse("1.5GiB"), HasSubstr("\"1.5GiB\" is no size"));
  EXPECT_THAT(Parse("4GiBB"), HasSubstr("\"4GiBB\" is no size"));
  EXPECT_THAT(Parse("1-1"), HasSubstr("\"1-1\" is no size"));
  EXPECT_THAT(Parse("0x10"), HasSubstr("\"0x10\" is no size"));
}

TEST(SizeFlagTest, AndWhatNoMemoryHas) {
  EXPECT_THAT(Parse("9223372036854775808"), HasSubstr("is too large"));
  EXPECT_THAT(Parse("8EiB"), HasSubstr("8EiB is too large"));
  EXPECT_THAT(Parse("99EiB"), HasSubstr("99EiB is too large"));
}

}  // namespace
}  // namespace ebb
