#include "common/metrics/process_metrics.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::metrics {
namespace {

using ::testing::HasSubstr;

std::string Text() {
  OpenMetrics text;
  AddProcess("ebb-test", "1.2.3", &text);
  return std::move(text).Text();
}

// The value of a sample; -1: there is none.
double Sample(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  const size_t begin = at + name.size() + 2;
  double value = -1;
  EXPECT_TRUE(absl::SimpleAtod(
      text.substr(begin, text.find('\n', begin) - begin), &value));
  return value;
}

TEST(ProcessMetricsTest, TellsWhatThisProcessIs) {
  const std::string text = Text();

  EXPECT_THAT(text, HasSubstr("ebb_build_info{program=\"ebb-test\","
                              "version=\"1.2.3\"} 1\n"));
  EXPECT_GT(Sample(text, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(Sample(text, "process_virtual_memory_bytes"),
            Sample(text, "process_resident_memory_bytes"));
  EXPECT_GE(Sample(text, "process_open_fds"), 3);
  EXPECT_GE(Sample(text, "process_max_fds"), Sample(text, "process_open_fds"));
}

TEST(ProcessMetricsTest, BeganNotLongAgo) {
  const double began = Sample(Text(), "process_start_time_seconds");
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());

  EXPECT_LT(began, now + 1);
  EXPECT_GT(began, now - 3600);
}

TEST(ProcessMetricsTest, CpuSecondsGrowWithWork) {
  const double before = Sample(Text(), "process_cpu_seconds_total");
  ASSERT_GE(before, 0);

  std::string text;
  do {
    text = Text();
  } while (Sample(text, "process_cpu_seconds_total") < before + 0.01);
}

}  // namespace
}  // namespace ebb::metrics
