#include "server/write_pace.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"

namespace ebb::server {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

TEST(WritePaceTest, ARestIsLongerThanWhatItFollows) {
  WritePace pace(0);
  EXPECT_LE(pace.next(), kStart);
  pace.Begin(At(1));
  pace.End({.partitions = 3, .due = At(100)}, At(1.5));
  EXPECT_EQ(pace.next(), At(5));
}

TEST(WritePaceTest, WhereNothingIsEverDueItIsAsLong) {
  WritePace pace(0);
  pace.Begin(At(1));
  pace.End({}, At(1.5));
  EXPECT_EQ(pace.next(), At(5));
}

// Each takes 1 s, of 10 s in which they are to be written.
TEST(WritePaceTest, ThoseThatWaitAreWrittenInTime) {
  for (int partitions = 1; partitions <= 10; ++partitions) {
    WritePace pace(0);
    absl::Time now = kStart;
    for (int left = partitions - 1; left >= 0; --left) {
      pace.Begin(now);
      now += absl::Seconds(1);
      pace.End({.partitions = left, .due = At(10)}, now);
      if (left > 0) now = std::max(now, pace.next());
    }
    EXPECT_LE(now, At(10)) << partitions;
    if (partitions == 3) {
      EXPECT_GE(now, At(5));
    }
  }
}

TEST(WritePaceTest, WhoIsLateDoesNotRest) {
  WritePace pace(0);
  pace.Begin(At(1));
  pace.End({.partitions = 1, .due = At(1)}, At(2));
  EXPECT_LE(pace.next(), At(2));
}

TEST(WritePaceTest, ARateIsKeptWhereItNeedsMore) {
  WritePace pace(100);
  pace.Begin(At(1));
  pace.Wrote(1000, At(2));
  pace.End({.partitions = 1, .due = At(4)}, At(2));
  EXPECT_EQ(pace.next(), At(12));
  pace.Begin(At(3));  // Somebody waited for it.
  pace.Wrote(100, At(4));
  pace.End({.partitions = 1, .due = At(100)}, At(4));
  EXPECT_EQ(pace.next(), At(12)) << "of its own bytes only";
}

TEST(WritePaceTest, AMovesCopyIsNotRestedAfter) {
  WritePace pace(0);
  pace.Begin(kStart);
  pace.Wrote(1000, At(1));
  EXPECT_LE(pace.next(), kStart);
}

}  // namespace
}  // namespace ebb::server
