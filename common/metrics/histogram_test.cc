#include "common/metrics/histogram.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::metrics {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

int64_t CountOf(const HistogramSnapshot& snapshot) {
  return std::accumulate(snapshot.counts.begin(), snapshot.counts.end(),
                         int64_t{0});
}

// How many of all are at most `bound`, which is one of the bounds.
int64_t AtMost(const HistogramSnapshot& snapshot, double bound) {
  int64_t count = 0;
  for (size_t i = 0; i < snapshot.bounds.size(); ++i) {
    if (snapshot.bounds[i] <= bound) count += snapshot.counts[i];
  }
  return count;
}

TEST(SecondsHistogramTest, CountsEachAtTheFirstBoundThatHoldsIt) {
  SecondsHistogram histogram;
  histogram.Record(0);
  histogram.Record(1e-3);  // Is at most 1 ms.
  histogram.Record(1.1e-3);
  histogram.Record(1000);  // Beyond all.

  const HistogramSnapshot snapshot = histogram.Snapshot();

  ASSERT_EQ(snapshot.counts.size(), snapshot.bounds.size() + 1);
  EXPECT_EQ(AtMost(snapshot, 500e-6), 1);
  EXPECT_EQ(AtMost(snapshot, 1e-3), 2);
  EXPECT_EQ(AtMost(snapshot, 2e-3), 3);
  EXPECT_EQ(snapshot.counts.back(), 1);
  EXPECT_EQ(CountOf(snapshot), 4);
  EXPECT_THAT(snapshot.sum, DoubleNear(1000.0021, 1e-6));
}

TEST(HistogramOfCountsTest, BoundsArePowersOfTwo) {
  // Of the values 0 to 5: 7, 1, 2, 0, 3, 4.
  const HistogramSnapshot snapshot = HistogramOfCounts({7, 1, 2, 0, 3, 4});

  EXPECT_EQ(AtMost(snapshot, 0), 7);
  EXPECT_EQ(AtMost(snapshot, 1), 8);
  EXPECT_EQ(AtMost(snapshot, 2), 10);
  EXPECT_EQ(AtMost(snapshot, 4), 13);
  EXPECT_EQ(AtMost(snapshot, 8), 17);
  EXPECT_EQ(snapshot.sum, 1 + 2 * 2 + 3 * 4 + 4 * 5);
}

TEST(HistogramOfCountsTest, WhatExceedsAllBoundsIsCounted) {
  std::vector<int64_t> counts(2000);
  counts.back() = 5;

  const HistogramSnapshot snapshot = HistogramOfCounts(counts);

  EXPECT_EQ(snapshot.counts.back(), 5);
  EXPECT_EQ(CountOf(snapshot), 5);
  EXPECT_EQ(CountOf(HistogramOfCounts({})), 0);
}

}  // namespace
}  // namespace ebb::metrics
