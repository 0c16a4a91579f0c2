#include "bench/kernels/kernels_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace ebb::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr KernelsBenchOptions kSmall = {.array_bytes = 1 << 20, .rounds = 2};

TEST(KernelsBenchTest, MeasuresTheTriadAndEveryOptimizer) {
  const auto report = MeasureKernels(kSmall);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->kernels.size(), 11u);
  EXPECT_EQ(report->kernels[0].name, "triad");
  EXPECT_EQ(report->kernels[0].share_of_triad.median, 1.0);
  for (const KernelResult& kernel : report->kernels) {
    EXPECT_GT(kernel.bytes_per_second, 0.0) << kernel.name;
    EXPECT_GT(kernel.share_of_triad.median, 0.0) << kernel.name;
    EXPECT_EQ(kernel.share_of_triad.pairs, 2) << kernel.name;
  }
  EXPECT_EQ(report->kernels[1].name, "sgd");
  EXPECT_EQ(report->kernels[1].bytes_per_element, 16);
  EXPECT_EQ(report->kernels[6].name, "adam");
  // Read: weight, gradient, two slots, the new weight's line. Written: the
  // new weight, two slots.
  EXPECT_EQ(report->kernels[6].bytes_per_element, 32);
}

TEST(KernelsBenchTest, PrintsATable) {
  std::ostringstream out, err;
  const int code = RunKernelsBench(kSmall, out, err);
  // So small an array says nothing of the memory: it may miss.
  EXPECT_EQ(code != 0, out.str().find("MISSED") != std::string::npos);
  EXPECT_THAT(out.str(), HasSubstr("arrays of 1 MiB"));
  EXPECT_THAT(out.str(), HasSubstr("nesterov"));
  EXPECT_THAT(err.str(), IsEmpty());
}

TEST(KernelsBenchTest, ARowOfEachOptimizerAndNoneOfTheLimit) {
  KernelsReport report;
  report.kernels = {
      {.name = "triad", .bytes_per_second = 10e9, .share_of_triad = {1, 1, 1}},
      {.name = "sgd",
       .bytes_per_second = 8e9,
       .share_of_triad = {.median = 0.8, .low = 0.6, .high = 0.9, .pairs = 3}},
      {.name = "adam",
       .bytes_per_second = 6e9,
       .share_of_triad = {.median = 0.6, .low = 0.5, .high = 0.8, .pairs = 3}}};
  const std::vector<Row> rows = KernelRows(report);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].what, "sgd");
  EXPECT_EQ(rows[0].limit, 10);
  EXPECT_EQ(rows[0].ours, 8);
  EXPECT_TRUE(rows[0].holds());
  EXPECT_FALSE(rows[1].holds());
  tools::Json json = tools::Json::Object();
  AddKernels(report, &json);
  EXPECT_THAT(json.ToLine(), HasSubstr("\"all_hold\": false"));
}

TEST(KernelsBenchTest, RefusesWhatCannotWork) {
  std::ostringstream out, err;
  EXPECT_EQ(RunKernelsBench({.array_bytes = 5}, out, err), 2);
  EXPECT_EQ(err.str(),
            "ebb bench kernels: array_bytes is 5; it must be from 1 MiB to 1 "
            "GiB, or 0 to go by the cache\n");
  EXPECT_EQ(RunKernelsBench({.rounds = 0}, out, err), 2);
  EXPECT_THAT(out.str(), IsEmpty());
}

}  // namespace
}  // namespace ebb::bench
