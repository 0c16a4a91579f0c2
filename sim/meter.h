// The work of a run's workers, and their requests to the scheduler.
#ifndef EBB_SIM_METER_H_
#define EBB_SIM_METER_H_

#include <cstdint>

#include "absl/time/time.h"

namespace ebb::sim {

// Sums since the start of a run.
struct Work {
  absl::Duration elapsed;
  absl::Duration alive;  // Time of all workers together.
  // Examples that workers computed; of a batch that a worker dies over, as many
  // as it had come to.
  double computed = 0;
  int64_t counted = 0;  // Examples, in the partition that has the least.
  int64_t losses = 0;   // Workers that died.
  int64_t pushes = 0;   // Sent to one partition each, also again.
  int64_t pulls = 0;
  int64_t leases = 0;  // Granted, also again.
  // Windows of the data that workers read: in the first epoch, and later.
  int64_t windows_read = 0;
  int64_t windows_read_later = 0;
  int64_t messages_in = 0;  // Messages of the scheduler.
  int64_t messages_out = 0;
  // Processor time spent in the scheduler's logic: differs from run to run.
  absl::Duration scheduler_took;

  friend Work operator-(const Work& a, const Work& b) {
    return {a.elapsed - b.elapsed,
            a.alive - b.alive,
            a.computed - b.computed,
            a.counted - b.counted,
            a.losses - b.losses,
            a.pushes - b.pushes,
            a.pulls - b.pulls,
            a.leases - b.leases,
            a.windows_read - b.windows_read,
            a.windows_read_later - b.windows_read_later,
            a.messages_in - b.messages_in,
            a.messages_out - b.messages_out,
            a.scheduler_took - b.scheduler_took};
  }
};

// Thread-compatible.
class Meter {
 public:
  // All but `elapsed`, `alive` and `counted` are up to date here.
  Work sums;

  void WorkerStarts(absl::Time now) {
    Pass(now);
    ++workers_;
  }
  void WorkerDies(absl::Time now) {
    Pass(now);
    --workers_;
    ++sums.losses;
  }
  absl::Duration AliveUntil(absl::Time now) {
    Pass(now);
    return sums.alive;
  }

 private:
  void Pass(absl::Time now) {
    if (workers_ > 0) sums.alive += (now - since_) * workers_;
    since_ = now;
  }

  int64_t workers_ = 0;
  absl::Time since_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_METER_H_
