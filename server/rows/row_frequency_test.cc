#include "server/rows/row_frequency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <set>
#include <vector>

namespace ebb::server {
namespace {

constexpr int64_t kWrap = int64_t{1} << 24;

// A row of a single change, long after it was made: nothing else is known of.
RowFrequency ChangedOnce(int64_t update) {
  RowFrequency row;
  row.Change(update);
  return row;
}

TEST(RowFrequencyTest, ARowThatNobodyChangedSinceThePullIsFresh) {
  const RowFrequency row = ChangedOnce(1000);
  EXPECT_EQ(row.Staleness(1000, 0), 0);
  EXPECT_EQ(row.Staleness(1000, 1), 1);  // Pulled at 999.
  EXPECT_EQ(row.Staleness(1010, 10), 0);
  EXPECT_EQ(row.Staleness(1010, 11), 1);
}

TEST(RowFrequencyTest, ARowThatEachUpdateChangesHasThePartitionsStaleness) {
  RowFrequency row = ChangedOnce(1000);
  for (int64_t update = 1001; update <= 2000; ++update) row.Change(update);
  for (const int64_t staleness : {0, 1, 8, 15, 63, 200, 400}) {
    EXPECT_NEAR(row.Staleness(2000, staleness), staleness, 0.01 * staleness);
  }
}

// The rows of a new job that are changed most are protected at once.
TEST(RowFrequencyTest, ANewRowCountsAsChangedByEachUpdate) {
  for (const int64_t made : {1, 63, 64, 100}) {
    RowFrequency row(made);
    EXPECT_EQ(row.Staleness(made, 0), 0);
    EXPECT_EQ(row.Staleness(made, 16), 16);
    EXPECT_EQ(row.Staleness(made + 4, 16), 12);
    EXPECT_EQ(row.Staleness(made + 16, 16), 0);
    for (int64_t next = made + 1; next < made + 300; ++next) {
      row.Change(next);
      EXPECT_EQ(row.Staleness(next, 16), 16);
    }
  }
}

TEST(RowFrequencyTest, ForgetsHowOftenItWasChanged) {
  RowFrequency row = ChangedOnce(1000);
  for (int64_t update = 1001; update <= 2000; ++update) row.Change(update);
  row.Change(2200);                         // Three times halved.
  EXPECT_EQ(row.Staleness(2200, 101), 12);  // A ninth of the 100 before it.
  row.Change(4000);
  EXPECT_EQ(row.Staleness(4000, 101), 1);
}

TEST(RowFrequencyTest, IsBoundedAndDoesNotFall) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    int64_t update = static_cast<int64_t>(random() % (2 * kWrap));
    RowFrequency row(update);
    const uint64_t gap = 1 + random() % 100;
    for (uint64_t n = random() % 200; n > 0; --n) {
      row.Change(update += static_cast<int64_t>(1 + random() % gap));
    }
    const int64_t updates = update + static_cast<int64_t>(random() % 20);
    int64_t before = 0;
    for (int64_t staleness = 0; staleness < 500; staleness += 3) {
      const int64_t estimate = row.Staleness(updates, staleness);
      // At most the updates from the pull to the last change.
      const int64_t most = std::max<int64_t>(0, staleness - (updates - update));
      ASSERT_LE(estimate, most);
      ASSERT_GE(estimate, std::min<int64_t>(1, most));
      ASSERT_GE(estimate, before);
      before = estimate;
    }
  }
}

TEST(RowFrequencyTest, GoesOnAcrossTheWrap) {
  for (const int64_t base : {int64_t{1}, int64_t{1} << 32}) {
    RowFrequency near(kWrap * base - 400), far(65 * kWrap - 400);
    for (int64_t i = -399; i < 200; i += 3) {
      near.Change(kWrap * base + i);
      far.Change(65 * kWrap + i);
      for (const int64_t staleness : {1, 2, 10, 150}) {
        const int64_t estimate = near.Staleness(kWrap * base + i, staleness);
        EXPECT_EQ(estimate, far.Staleness(65 * kWrap + i, staleness));
        if (i > -100) {
          EXPECT_NEAR(estimate, static_cast<double>(staleness) / 3, 4);
        }
        EXPECT_EQ(near.Staleness(kWrap * base + i + staleness, staleness), 0);
      }
    }
  }
}

// Against what happened, for rows drawn as they are in click logs.
TEST(RowFrequencyTest, EstimatesRowsOfAllFrequencies) {
  constexpr size_t kRows = 3000;
  constexpr size_t kKeys = 50;  // Each update has them.
  constexpr int64_t kUpdates = 1200;
  struct Errors {
    int64_t staleness = 0;
    double exact = 0, error = 0, factor_error = 0, partition_error = 0;
  };
  std::array<Errors, 3> all = {Errors{15}, Errors{63}, Errors{195}};
  std::vector<double> sums;
  for (size_t row = 1; row <= kRows; ++row) {
    const double each = 1 / static_cast<double>(row);
    sums.push_back((sums.empty() ? 0 : sums.back()) + each);
  }
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> draw(0, sums.back());
  std::vector<std::vector<int64_t>> changes(kRows);
  std::vector<RowFrequency> rows(kRows);
  const auto factor = [](int64_t staleness) {
    return std::min(1.0, 8.0 / (1.0 + static_cast<double>(staleness)));
  };
  double steps = 0;
  for (int64_t update = 1; update <= kUpdates; ++update) {
    std::set<size_t> keys;
    while (keys.size() < kKeys) {
      const auto at = std::ranges::lower_bound(sums, draw(random));
      keys.insert(std::min(static_cast<size_t>(at - sums.begin()), kRows - 1));
    }
    for (const size_t key : keys) {
      std::vector<int64_t>& history = changes[key];
      if (history.empty()) {
        rows[key] = RowFrequency(update);
        history.push_back(update);
        continue;
      }
      if (update > kUpdates / 2) {
        ++steps;
        for (Errors& errors : all) {
          const int64_t pulled = update - 1 - errors.staleness;
          const int64_t exact =
              history.end() - std::ranges::upper_bound(history, pulled);
          const int64_t estimate =
              rows[key].Staleness(update - 1, errors.staleness);
          ASSERT_EQ(estimate == 0, exact == 0);
          errors.exact += static_cast<double>(exact);
          errors.error += static_cast<double>(std::abs(estimate - exact));
          errors.factor_error += std::abs(factor(estimate) - factor(exact));
          errors.partition_error +=
              std::abs(factor(errors.staleness) - factor(exact));
        }
      }
      rows[key].Change(update);
      history.push_back(update);
    }
  }
  // The mean error is a few percent of the mean, and so is that of a factor.
  // By the staleness of the partition it would be a third and more.
  for (const Errors& errors : all) {
    SCOPED_TRACE(errors.staleness);
    EXPECT_LT(errors.error, 0.05 * errors.exact + 0.4 * steps);
    EXPECT_LT(errors.factor_error, 0.03 * steps);
    EXPECT_GT(errors.partition_error, 0.3 * steps);
  }
}

}  // namespace
}  // namespace ebb::server
