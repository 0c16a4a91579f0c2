#include "tools/text/lateness.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

v1::ScaledUpdates Scaled(int64_t updates, int64_t scaled, int64_t to_nothing,
                         double factor_sum, double scaled_staleness) {
  v1::ScaledUpdates sums;
  sums.set_updates(updates);
  sums.set_scaled(scaled);
  sums.set_to_nothing(to_nothing);
  sums.set_factor_sum(factor_sum);
  sums.set_scaled_staleness(scaled_staleness);
  return sums;
}

// One update on time, and one that is 3 updates late and counts a quarter.
const v1::ScaledUpdates kTwo = Scaled(2, 1, 0, 1.25, 0.75);

TEST(LatenessTest, MeansAreOverAllUpdates) {
  EXPECT_EQ(MeanFactor(kTwo), 0.625);
  EXPECT_EQ(EffectiveStaleness(kTwo), 0.6);
}

TEST(LatenessTest, WhatNoServerSaidIsNotKnown) {
  EXPECT_EQ(MeanFactor({}), std::nullopt);
  EXPECT_EQ(EffectiveStaleness({}), std::nullopt);
  EXPECT_EQ(BoundWaitSeconds({}), std::nullopt);
  EXPECT_EQ(ScaledText({}), "");
  EXPECT_EQ(BoundWaitText({}), "");
  Json json = Json::Object();
  AddLateness({}, &json);
  EXPECT_EQ(json.ToLine(),
            "{\"scaled_updates\": null, \"bound_wait_seconds\": null, "
            "\"worker_seconds\": null}");
}

TEST(LatenessTest, SaysHowMuchUpdatesWereScaled) {
  EXPECT_EQ(ScaledText(kTwo),
            "by 0.62 on average (1 of 2 updates); effective staleness 0.6");
  EXPECT_EQ(ScaledText(Scaled(9380, 5120, 3, 6660, 61272)),
            "by 0.71 on average (5,120 of 9,380 updates), 3 of them to "
            "nothing; effective staleness 9.2");
  EXPECT_EQ(ScaledText(Scaled(5, 0, 0, 5, 2)), "");
}

TEST(LatenessTest, SaysHowLongWorkersWaited) {
  v1::JobStatus job;
  job.set_bound_wait_us(12'340'000);
  EXPECT_EQ(BoundWaitText(job), "workers waited 12.3 s for others");
  job.set_worker_us(100'000'000);
  EXPECT_EQ(BoundWaitText(job),
            "workers waited 12.3 s for others, 12.3 % of their time");
  job.set_worker_us(10);
  EXPECT_EQ(BoundWaitShare(job), 1);
}

TEST(LatenessTest, JsonHasMeansAndSeconds) {
  v1::JobStatus job;
  *job.mutable_scaled() = kTwo;
  job.set_bound_wait_us(500'000);
  job.set_worker_us(2'000'000);
  Json json = Json::Object();
  AddLateness(job, &json);
  EXPECT_EQ(json.ToLine(),
            "{\"scaled_updates\": {\"updates\": 2, \"scaled\": 1, "
            "\"to_nothing\": 0, \"mean_factor\": 0.625, "
            "\"effective_staleness\": 0.6}, \"bound_wait_seconds\": 0.5, "
            "\"worker_seconds\": 2}");
}

}  // namespace
}  // namespace ebb::tools
