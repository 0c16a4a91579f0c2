#include "tools/ebb/status/kill_pace.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using absl::Milliseconds;
using absl::Seconds;

constexpr uint64_t kJob = 1;

TEST(KillPaceTest, TheFirstKillWaitsForItsTimeOnly) {
  KillPace pace(Seconds(1));
  pace.See(false, kJob, 0);
  EXPECT_FALSE(pace.Due(Milliseconds(700), Milliseconds(699)));
  EXPECT_TRUE(pace.Due(Milliseconds(700), Milliseconds(700)));
}

// Bug: a loaded machine took longer to start a daemon than to kill the next,
// so the job never ended.
TEST(KillPaceTest, TheNextKillWaitsUntilTheJobGoesOn) {
  KillPace pace(Seconds(1));
  pace.See(false, kJob, 50);
  pace.Killed(Milliseconds(700), Milliseconds(700));
  // Others go on while it is away.
  pace.See(false, kJob, 60);
  EXPECT_FALSE(pace.Due(Seconds(1), Seconds(9)));
  pace.See(true, kJob, 60);
  EXPECT_FALSE(pace.Due(Seconds(1), Seconds(9)));
  pace.See(true, kJob, 61);
  EXPECT_TRUE(pace.Due(Seconds(1), Seconds(9)));
}

TEST(KillPaceTest, WhatIsAppliedAgainIsNoProgress) {
  KillPace pace(Seconds(1));
  pace.See(false, kJob, 50);
  pace.Killed(Milliseconds(700), Milliseconds(700));
  // A server that was killed comes back with less.
  pace.See(true, kJob, 50);
  for (const int64_t applied : {20, 40, 50}) {
    pace.See(true, kJob, applied);
    EXPECT_FALSE(pace.Due(Seconds(1), Seconds(2))) << applied;
  }
  pace.See(true, kJob, 51);
  EXPECT_TRUE(pace.Due(Seconds(1), Seconds(2)));
}

// Bug: the second job of a program is smaller than the first. It never had more
// applied than that one, so nothing was killed any more.
TEST(KillPaceTest, AnotherJobBeginsAtNothing) {
  KillPace pace(Seconds(1));
  pace.See(false, kJob, 900);
  pace.Killed(Milliseconds(700), Milliseconds(700));
  pace.See(true, kJob, 900);
  constexpr uint64_t kNext = 2;
  pace.See(true, kNext, 0);
  EXPECT_FALSE(pace.Due(Seconds(1), Seconds(2)));
  pace.See(true, kNext, 1);
  EXPECT_TRUE(pace.Due(Seconds(1), Seconds(2)));
  // The victim has to be back there, too.
  pace.Killed(Seconds(1), Seconds(2));
  constexpr uint64_t kThird = 3;
  pace.See(false, kThird, 5);
  pace.See(false, kThird, 6);
  EXPECT_FALSE(pace.Due(Seconds(2), Seconds(9)));
  pace.See(true, kThird, 6);
  pace.See(true, kThird, 7);
  EXPECT_TRUE(pace.Due(Seconds(2), Seconds(9)));
}

TEST(KillPaceTest, ProgressDoesNotMakeAKillEarlier) {
  KillPace pace(Seconds(1));
  pace.Killed(Milliseconds(700), Milliseconds(700));
  pace.See(true, kJob, 0);
  pace.See(true, kJob, 10);
  EXPECT_FALSE(pace.Due(Milliseconds(1900), Milliseconds(1899)));
  EXPECT_TRUE(pace.Due(Milliseconds(1900), Milliseconds(1900)));
}

// The machine stands still for a minute: then there is one kill a second again.
TEST(KillPaceTest, WhatWasMissedIsNotKilledAtOnce) {
  KillPace pace(Seconds(1));
  std::vector<absl::Duration> late;
  int64_t applied = 0;
  int turn = 0;
  const auto act = [&](absl::Duration now) {
    pace.See(true, kJob, ++applied);
    pace.See(true, kJob, ++applied);
    const absl::Duration planned = Seconds(turn) + Milliseconds(500);
    if (!pace.Due(planned, now)) return;
    pace.Killed(planned, now);
    ++turn;
    if (now >= Seconds(60)) late.push_back(now);
  };
  act(absl::ZeroDuration());
  act(Milliseconds(900));
  for (int step = 0; step < 100; ++step) {
    act(Seconds(60) + Milliseconds(100) * step);
  }
  EXPECT_THAT(late, ::testing::SizeIs(
                        ::testing::AllOf(::testing::Ge(9), ::testing::Le(12))));
  for (size_t i = 1; i < late.size(); ++i) {
    EXPECT_LT(late[i] - late[i - 1], Milliseconds(2200));
  }
}

}  // namespace
}  // namespace ebb::tools
