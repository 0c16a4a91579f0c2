#include "bench/kernels_bench.h"

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
  ASSERT_EQ(report->kernels.size(), 9u);
  EXPECT_EQ(report->kernels[0].name, "triad");
  EXPECT_EQ(report->kernels[0].share_of_triad, 1.0);
  for (const KernelResult& kernel : report->kernels) {
    EXPECT_GT(kernel.bytes_per_second, 0.0) << kernel.name;
    EXPECT_GT(kernel.share_of_triad, 0.0) << kernel.name;
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
  EXPECT_EQ(RunKernelsBench(kSmall, out, err), 0);
  EXPECT_THAT(out.str(), HasSubstr("arrays of 1 MiB"));
  EXPECT_THAT(out.str(), HasSubstr("nesterov"));
  EXPECT_THAT(err.str(), IsEmpty());
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
