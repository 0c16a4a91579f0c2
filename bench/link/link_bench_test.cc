#include "bench/link/link_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace ebb::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr LinkShape kRequired = {.bits_per_second = 10'000'000'000,
                                 .round_trip_ns = 1'000'000};

TEST(LinkBenchTest, ALinkIsNamedByWhatItDoes) {
  EXPECT_EQ(LinkText(kRequired), "10 Gbit/s, 1 ms");
  EXPECT_EQ(LinkText({.bits_per_second = 500'000'000,
                      .round_trip_ns = 10'000'000,
                      .loss = 0.001}),
            "0.5 Gbit/s, 10 ms, 0.1 % lost");
}

TEST(LinkBenchTest, OneLinkHasARequirement) {
  EXPECT_TRUE(LinkBound(kRequired, DataPlane::kBulk)->Allows(0.9));
  EXPECT_FALSE(LinkBound(kRequired, DataPlane::kBulk)->Allows(0.89));
  EXPECT_FALSE(LinkBound(kRequired, DataPlane::kGrpc).has_value());
  LinkShape lossy = kRequired;
  lossy.loss = 0.001;
  EXPECT_FALSE(LinkBound(lossy, DataPlane::kBulk).has_value());
}

TEST(LinkBenchTest, ATextHasTheRowsAndWhatWasDropped) {
  const std::vector<double> ours = {8}, raw = {10};
  LinkReport report = {.congestion_control = "cubic", .dropped = 3};
  report.rows = {MakeRow(LinkText(kRequired) + ": push", "Gbit/s", ours, raw,
                         LinkBound(kRequired, DataPlane::kBulk))};
  EXPECT_THAT(LinkReportText(report),
              AllOf(HasSubstr("10 Gbit/s, 1 ms: push"), HasSubstr("MISSED"),
                    HasSubstr("cubic; 3 packets dropped")));
}

}  // namespace
}  // namespace ebb::bench
