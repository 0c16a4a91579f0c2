#include "server/scheduler_connection.h"

#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/steady_time.h"
#include "common/testing/wall_clock.h"
#include "gtest/gtest.h"
#include "rpc/inprocess_transport.h"

namespace ebb::server {
namespace {

// Room for a machine that is busy.
constexpr absl::Duration kLong = absl::Seconds(60);

// How often a connection found no scheduler. Thread-safe.
class Failures {
 public:
  void Add() {
    MutexLock lock(&mu_);
    ++count_;
    changed_.SignalAll();
  }
  // Returns false if that takes too long.
  bool Reach(int count) {
    const absl::Time until = SteadyNow() + kLong;
    MutexLock lock(&mu_);
    while (count_ < count && SteadyNow() < until) {
      changed_.WaitFor(&mu_, until - SteadyNow());
    }
    return count_ >= count;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mu_) = 0;
};

// A server stayed away for as long as its clock was set back.
TEST(SchedulerConnectionTest, TriesAgainAlthoughTheWallClockIsSetBack) {
  rpc::InProcessTransport transport;
  Failures failures;
  SchedulerConnection connection({.address = "nobody",
                                  .first_retry = absl::Milliseconds(20),
                                  .last_retry = absl::Milliseconds(20)},
                                 &transport,
                                 {.connected = [] {},
                                  .message = [](const SchedulerToServer&) {},
                                  .disconnected = [&] { failures.Add(); }});
  connection.Start();

  for (int i = 1; i <= 10; ++i) {
    ASSERT_TRUE(failures.Reach(i)) << "it waits since attempt " << i - 1;
    SetWallClock(absl::Hours(-i));  // While the connection waits.
  }
}

}  // namespace
}  // namespace ebb::server
