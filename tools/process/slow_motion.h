// Makes processes slower without root: they are stopped and continued in a
// steady cycle, so that they run for a share of the time only.
#ifndef EBB_TOOLS_PROCESS_SLOW_MOTION_H_
#define EBB_TOOLS_PROCESS_SLOW_MOTION_H_

#include <sys/types.h>

#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb::tools {

// Thread-safe. One thread of its own, while there is anything to do. Processes
// are held by file descriptors, so one that ended never becomes a stranger.
// The destructor lets all run.
class SlowMotion {
 public:
  SlowMotion() = default;
  SlowMotion(const SlowMotion&) = delete;
  SlowMotion& operator=(const SlowMotion&) = delete;
  ~SlowMotion();

  // From now on the process, a child that was not waited for, runs for `share`
  // (above 0, below 1) of each `cycle`. NotFound: it is not there.
  absl::Status Set(pid_t pid, double share, absl::Duration cycle);
  // It runs as fast as it can; nothing where it was not slow.
  void Clear(pid_t pid);

 private:
  struct Process {
    int fd = -1;  // A pidfd; owned.
    double share = 1;
    absl::Duration cycle;
    bool stopped = false;
    absl::Time next;  // When that changes.
  };

  void Run();
  // False: it has ended.
  static bool Turn(Process* process, absl::Time now);

  Mutex mu_;
  CondVar changed_;
  std::map<pid_t, Process> processes_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // Begun by the first Set.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_SLOW_MOTION_H_
