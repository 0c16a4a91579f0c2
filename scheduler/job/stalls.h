// Leases that run out at the same time as others. Then a machine or a network
// stalls, rather than one example that hangs its workers. But two such examples
// excuse each other only so often.
//
// Thread-compatible.
#ifndef EBB_SCHEDULER_JOB_STALLS_H_
#define EBB_SCHEDULER_JOB_STALLS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"

namespace ebb::scheduler {

class Stalls {
 public:
  // Within `window` of each other they count as one stall.
  explicit Stalls(absl::Duration window) : window_(window) {}

  // An item, and the example that its worker was at.
  struct Place {
    int64_t ordinal = 0;
    int64_t position = 0;
  };
  struct Verdict {
    bool to_blame = true;          // No other lease stalls, as far as is known.
    std::vector<Place> acquitted;  // Places that were blamed shortly before.
  };
  // The lease of the item that `worker` worked on ran out. Only leases of other
  // workers and other items are witnesses.
  Verdict RanOut(SessionId worker, Place place, absl::Time now);
  // The item was done: it is excused anew.
  void Done(int64_t ordinal) { excused_.erase(ordinal); }

  // The leases are made anew.
  void BeginGeneration() {
    recent_.clear();
    excused_.clear();
  }

  static constexpr int kMostExcuses = 4;

 private:
  struct RunOut {
    SessionId worker;
    Place place;
    absl::Time at;
    bool blamed;
  };

  absl::Duration window_;
  std::vector<RunOut> recent_;  // Within the window: one or two of a worker.
  std::map<int64_t, int> excused_;  // How often, by item.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_STALLS_H_
