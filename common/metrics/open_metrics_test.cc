#include "common/metrics/open_metrics.h"

#include <cmath>

#include "gtest/gtest.h"

namespace ebb::metrics {
namespace {

TEST(OpenMetricsTest, WritesFamiliesAsTheFormatSays) {
  OpenMetrics text;
  text.Counter("ebb_test_push_bytes", "Bytes of pushes").Add(7);
  text.Gauge("ebb_test_jobs", "Jobs by their state")
      .Add(2, {{"state", "running"}})
      .Add(0.5, {{"state", "paused"}, {"why", "asked"}});

  EXPECT_EQ(std::move(text).Text(),
            "# TYPE ebb_test_push_bytes counter\n"
            "# UNIT ebb_test_push_bytes bytes\n"
            "# HELP ebb_test_push_bytes Bytes of pushes\n"
            "ebb_test_push_bytes_total 7\n"
            "# TYPE ebb_test_jobs gauge\n"
            "# HELP ebb_test_jobs Jobs by their state\n"
            "ebb_test_jobs{state=\"running\"} 2\n"
            "ebb_test_jobs{state=\"paused\",why=\"asked\"} 0.5\n"
            "# EOF\n");
}

TEST(OpenMetricsTest, HistogramsAreCumulative) {
  OpenMetrics text;
  text.Histogram("ebb_test_wait_seconds", "How long")
      .Add({.bounds = {0.5, 1}, .counts = {3, 0, 2}, .sum = 9.25},
           {{"job", "1"}});

  EXPECT_EQ(std::move(text).Text(),
            "# TYPE ebb_test_wait_seconds histogram\n"
            "# UNIT ebb_test_wait_seconds seconds\n"
            "# HELP ebb_test_wait_seconds How long\n"
            "ebb_test_wait_seconds_bucket{job=\"1\",le=\"0.5\"} 3\n"
            "ebb_test_wait_seconds_bucket{job=\"1\",le=\"1\"} 3\n"
            "ebb_test_wait_seconds_bucket{job=\"1\",le=\"+Inf\"} 5\n"
            "ebb_test_wait_seconds_count{job=\"1\"} 5\n"
            "ebb_test_wait_seconds_sum{job=\"1\"} 9.25\n"
            "# EOF\n");
}

TEST(OpenMetricsTest, ValuesOfLabelsAreEscaped) {
  OpenMetrics text;
  text.Gauge("ebb_test_job", "A job").Add(1, {{"name", "a\"b\\c\nd"}});

  EXPECT_EQ(std::move(text).Text(),
            "# TYPE ebb_test_job gauge\n"
            "# HELP ebb_test_job A job\n"
            "ebb_test_job{name=\"a\\\"b\\\\c\\nd\"} 1\n"
            "# EOF\n");
}

TEST(OpenMetricsTest, NumbersKeepTheirDigits) {
  OpenMetrics text;
  text.Gauge("ebb_test_number", "A number")
      .Add(9007199254740991.0)
      .Add(0.1)
      .Add(1e300)
      .Add(INFINITY)
      .Add(NAN);

  EXPECT_EQ(std::move(text).Text(),
            "# TYPE ebb_test_number gauge\n"
            "# HELP ebb_test_number A number\n"
            "ebb_test_number 9007199254740991\n"
            "ebb_test_number 0.1\n"
            "ebb_test_number 1e+300\n"
            "ebb_test_number +Inf\n"
            "ebb_test_number NaN\n"
            "# EOF\n");
}

using OpenMetricsDeathTest = testing::Test;
TEST(OpenMetricsDeathTest, ANameOfOtherCharactersIsABug) {
  OpenMetrics text;
  EXPECT_DEATH(text.Gauge("ebb-test", ""), "ebb-test");
}

}  // namespace
}  // namespace ebb::metrics
