#include "tools/ebb/checkpoint/damaged_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kWrittenMs = 1'700'000'000'000;

VersionInfo Version(int32_t partition, int64_t sequence, int64_t examples,
                    int64_t written_unix_ms = kWrittenMs) {
  VersionInfo version;
  version.key = {JobId(1), Generation(7), PartitionId(partition), Term(10),
                 sequence};
  version.examples = examples;
  version.written_unix_ms = written_unix_ms;
  return version;
}

std::string Text(const DamagedLog& damaged) {
  return DamagedLogText(damaged, 4'000'000,
                        absl::FromUnixMillis(kWrittenMs + 120'000));
}

TEST(DamagedLogTest, SaysWhatIsNotReadAndHowNewTheRestIs) {
  const std::string text = Text(
      {"ps-1",
       "P1",
       {{"000004.log", 1234567, 89012}},
       {Version(0, 0, 0), Version(0, 3, 1'021'839), Version(0, 2, 900'000)}});
  EXPECT_THAT(
      text,
      HasSubstr("ps-1: the log of checkpoint store P1/db is damaged: of "
                "000004.log 89,012 bytes, from byte 1,234,567 on, are not "
                "read. The newest version that is read of it, of partition 0, "
                "has 1,021,839 of 4,000,000 examples, stored 2023-11-1"));
  EXPECT_THAT(text, HasSubstr(" (2m ago); newer ones may have been in what"));
}

TEST(DamagedLogTest, OfSeveralPartitionsThatFarthestBehindCounts) {
  const std::string text =
      Text({"ps-0",
            "ps-0",
            {{"000004.log", 5, 10}, {"000009.log", 0, 2000}},
            {Version(0, 0, 100), Version(0, 1, 300, kWrittenMs + 60'000),
             Version(2, 1, 200)}});
  EXPECT_THAT(text, HasSubstr("of 000004.log 10 bytes, from byte 5 on, and of "
                              "000009.log 2,000 bytes, from byte 0 on, are"));
  EXPECT_THAT(text, HasSubstr("of 2 partitions, have 200 to 300 of 4,000,000 "
                              "examples, stored "));
  EXPECT_THAT(text, HasSubstr(" (2m ago) or later; "));
}

TEST(DamagedLogTest, NothingMayBeLeftOrKnown) {
  EXPECT_THAT(Text({"ps-0", "ps-0", {}, {}}),
              AllOf(HasSubstr("what of it is not read is not known. No version "
                              "is read of it; newer ones may"),
                    Not(HasSubstr("examples"))));
  // Which job is meant is not known.
  EXPECT_EQ(DamagedLogText({"ps-0", "ps-0", {{"000004.log", 7, 8}}, {}},
                           std::nullopt, absl::UnixEpoch()),
            "ps-0: the log of checkpoint store ps-0/db is damaged: of "
            "000004.log 8 bytes, from byte 7 on, are not read. A server that "
            "opens the folder keeps what is sound behind the damage, too.");
  // Versions of older ebb do not say when they were stored.
  EXPECT_THAT(Text({"ps-0", "ps-0", {}, {Version(0, 1, 5, 0)}}),
              HasSubstr("has 5 of 4,000,000 examples; newer"));
}

}  // namespace
}  // namespace ebb::tools
