#include "bench/rows/sparse_rows_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace ebb::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr SparseRowsBenchOptions kSmall = {
    .rows = 400'000, .tables = 2, .push_rows = 100, .pairs = 2, .pushes = 10};

TEST(SparseRowsBenchTest, MeasuresAllThatIsBounded) {
  for (const double zipf : {0.0, 1.0, 1.1}) {
    SparseRowsBenchOptions options = kSmall;
    options.zipf = zipf;
    const auto report = MeasureSparseRows(options);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(report->rows.size(), 5u);
    for (const Row& row : report->rows) {
      EXPECT_GT(row.limit, 0) << row.what;
      EXPECT_GT(row.ours, 0) << row.what;
    }
    // These are no matter of speed.
    EXPECT_TRUE(report->rows[2].holds()) << report->rows[2].ratio.median;
    EXPECT_TRUE(report->rows[4].holds()) << report->rows[4].ratio.median;
    EXPECT_GT(report->base_cut_seconds, 0);
    EXPECT_GT(report->delta_cut_seconds, 0);
  }
}

TEST(SparseRowsBenchTest, PrintsATable) {
  std::ostringstream out, err;
  const int code = RunSparseRowsBench(kSmall, out, err);
  // So few rows say nothing of the memory's speed: it may miss.
  EXPECT_EQ(code != 0, out.str().find("MISSED") != std::string::npos);
  EXPECT_THAT(out.str(), HasSubstr("400000 rows of 16 floats"));
  EXPECT_THAT(err.str(), IsEmpty());
}

TEST(SparseRowsBenchTest, RefusesWhatCannotWork) {
  const auto refused = [](SparseRowsBenchOptions options) {
    std::ostringstream out, err;
    EXPECT_EQ(RunSparseRowsBench(options, out, err), 2);
    EXPECT_THAT(out.str(), IsEmpty());
    return err.str();
  };
  EXPECT_THAT(refused({.rows = 5}), HasSubstr("rows is 5"));
  EXPECT_THAT(refused({.width = 0}), HasSubstr("width is 0"));
  EXPECT_THAT(refused({.push_rows = 0}), HasSubstr("push_rows is 0"));
  EXPECT_THAT(refused({.zipf = -1}), HasSubstr("zipf is -1"));
  EXPECT_THAT(refused({.pairs = 0}), HasSubstr("pairs is 0"));
}

}  // namespace
}  // namespace ebb::bench
