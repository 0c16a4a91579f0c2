#include "tools/chaos/goodput.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

TEST(WorkerSpansTest, LivesAreSummedWithinTheWindow) {
  WorkerSpans spans;
  spans.Seen("worker-0", 1, At(0));
  spans.Seen("worker-0", 1, At(5));  // The scheduler is new, the life is not.
  spans.Seen("worker-1", 2, At(4));
  spans.Ended("worker-0", At(10));
  spans.Seen("worker-0", 3, At(12));
  EXPECT_EQ(spans.Sum(At(0), At(20)), At(10 + 16 + 8));
  EXPECT_EQ(spans.Sum(At(6), At(13)), At(4 + 7 + 1));
  EXPECT_EQ(spans.Sum(At(30), At(20)), At(0));
}

TEST(WorkerSpansTest, AnEndIsOfTheLifeThatWas) {
  WorkerSpans spans;
  spans.Ended("worker-0", At(1));  // Before anybody saw it.
  spans.Seen("worker-0", 1, At(2));
  spans.Ended("worker-0", At(3));
  spans.Ended("worker-0", At(9));
  EXPECT_EQ(spans.Sum(At(0), At(20)), At(1));
}

// Bug: a status that was made before the end and read after it began a span
// without an end.
TEST(WorkerSpansTest, AnEndMayBeHeardOfBeforeTheLife) {
  WorkerSpans spans;
  spans.Ended("worker-0", At(2));
  spans.Seen("worker-0", 1, At(1.5));
  spans.Seen("worker-0", 2, At(3));
  EXPECT_EQ(spans.Sum(At(0), At(10)), At(0.5 + 7));
}

TEST(RateMeterTest, IsBetweenTheFirstAndTheLastGrowth) {
  RateMeter meter;
  meter.Add(At(1), 0);
  EXPECT_FALSE(meter.rate().has_value());
  meter.Add(At(2), 10);
  EXPECT_FALSE(meter.rate().has_value());
  meter.Add(At(4), 30);
  meter.Add(At(4.9), 30);
  ASSERT_TRUE(meter.rate().has_value());
  EXPECT_DOUBLE_EQ(*meter.rate(), 10);
}

// Bug: 1.844 was reported as if it were one.
TEST(GoodputTest, MoreThanPossibleIsDoubted) {
  Goodput goodput;
  goodput.rate = 505;
  goodput.worker_time = absl::Seconds(100);
  goodput.counted = 52'000;
  EXPECT_EQ(goodput.Doubt(), "");
  goodput.counted = 93'000;
  EXPECT_THAT(goodput.Doubt(), testing::HasSubstr("(505 examples/s)"));
}

TEST(GoodputTest, IsCountedOverPossible) {
  Goodput goodput;
  EXPECT_EQ(goodput.value(), 0);
  goodput.rate = 10;
  goodput.worker_time = At(20);
  goodput.counted = 194;
  EXPECT_DOUBLE_EQ(goodput.value(), 0.97);
}

}  // namespace
}  // namespace ebb::chaos
