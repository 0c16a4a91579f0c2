#include "tools/process/slow_motion.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

// A child that never ends; killed and waited for at the end.
class Child {
 public:
  Child() : pid_(fork()) {
    if (pid_ != 0) return;
    for (;;) pause();
  }
  ~Child() { End(); }
  pid_t pid() const { return pid_; }
  void End() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // Waits until it is stopped, or goes on again.
  void AwaitStopped() { EXPECT_TRUE(WIFSTOPPED(Await(WUNTRACED))); }
  void AwaitContinued() { EXPECT_TRUE(WIFCONTINUED(Await(WCONTINUED))); }

 private:
  int Await(int what) const {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, what), pid_);
    return status;
  }
  pid_t pid_;
};

TEST(SlowMotionTest, AProcessStopsAndGoesOnAgainAndAgain) {
  SlowMotion slow;
  Child child;
  ASSERT_TRUE(slow.Set(child.pid(), 0.5, absl::Milliseconds(20)).ok());
  for (int i = 0; i < 3; ++i) {
    child.AwaitStopped();
    child.AwaitContinued();
  }
}

TEST(SlowMotionTest, WhoeverIsClearedRunsOn) {
  SlowMotion slow;
  Child child;
  // Stopped for as long as the test may take.
  ASSERT_TRUE(slow.Set(child.pid(), 0.01, absl::Hours(1)).ok());
  ASSERT_TRUE(slow.Set(child.pid(), 1e-9, absl::Hours(1)).ok());
  child.AwaitStopped();
  slow.Clear(child.pid());
  child.AwaitContinued();
  slow.Clear(child.pid());
}

TEST(SlowMotionTest, AtItsEndAllRunOn) {
  Child child;
  {
    SlowMotion slow;
    ASSERT_TRUE(slow.Set(child.pid(), 1e-9, absl::Hours(1)).ok());
    child.AwaitStopped();
  }
  child.AwaitContinued();
}

TEST(SlowMotionTest, WhoeverEndedIsForgotten) {
  SlowMotion slow;
  Child child;
  const pid_t pid = child.pid();
  ASSERT_TRUE(slow.Set(pid, 0.5, absl::Milliseconds(5)).ok());
  child.AwaitStopped();
  child.End();
  slow.Clear(pid);
  EXPECT_FALSE(slow.Set(pid, 0.5, absl::Milliseconds(5)).ok());
}

}  // namespace
}  // namespace ebb::tools
