#include "common/steady_time.h"

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "common/mutex.h"
#include "common/testing/wall_clock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

TEST(SteadyTimeTest, GoesOnWhileTheWallClockIsSet) {
  const absl::Time wall = absl::Now();
  const absl::Time before = SteadyNow();

  SetWallClock(absl::Hours(-5));
  const absl::Time behind = SteadyNow();
  EXPECT_LT(absl::Now(), wall - absl::Hours(4));
  SetWallClock(absl::Hours(5));
  const absl::Time ahead = SteadyNow();
  EXPECT_GT(absl::Now(), wall + absl::Hours(4));

  EXPECT_LE(before, behind);
  EXPECT_LE(behind, ahead);
  EXPECT_LT(ahead, before + absl::Hours(1));
}

TEST(SteadyTimeTest, AWaitEndsWhileTheWallClockIsSet) {
  std::atomic<bool> ended = false;  // Pairs with nothing: a flag.
  std::thread person([&] {
    for (int hours = 0; !ended; ++hours) {
      SetWallClock(absl::Hours(hours % 2 == 0 ? hours : -hours));
      std::this_thread::yield();
    }
  });
  Mutex mu;
  CondVar changed;
  {
    MutexLock lock(&mu);
    const absl::Time until = SteadyNow() + absl::Milliseconds(20);
    while (SteadyNow() < until) changed.WaitFor(&mu, until - SteadyNow());
  }
  ended = true;
  person.join();
}

}  // namespace
}  // namespace ebb
