// How long the ends of epochs drag on: from the first time that a worker asks
// and every open item of the epoch is taken, until all of the epoch is applied.
//
// Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_EPOCH_TAILS_H_
#define EBB_SCHEDULER_JOB_EPOCH_TAILS_H_

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/time/time.h"

namespace ebb::scheduler {

// Counts in the scheduler's life, over epochs in which no server was away. Each
// epoch counts once, when it first ends: a server that comes back with less
// opens some again.
struct EpochTailCounts {
  std::map<int32_t, absl::Duration> ends;  // By epoch.
  absl::Duration sum;
  absl::Duration longest;
  // The time of a batch on the slowest worker present at one of these ends.
  absl::Duration slowest_batch;
};

class EpochTails {
 public:
  // A worker asks, and all open items of epochs [full, open) are taken.
  void Asked(int32_t full, int32_t open, absl::Time now) {
    dry_.erase(dry_.lower_bound(open), dry_.end());  // Open again.
    for (int32_t e = full; e < open; ++e) dry_.try_emplace(e, now);
  }
  bool Ends(int32_t full) const {
    return !dry_.empty() && dry_.begin()->first < full;
  }
  // Epochs below `full` are applied; `slowest_batch`: of the workers present.
  void Ended(int32_t full, absl::Duration slowest_batch, absl::Time now) {
    while (Ends(full)) {
      const auto [epoch, since] = *dry_.begin();
      dry_.erase(dry_.begin());
      const absl::Duration tail = now - since;
      if (!counts_.ends.emplace(epoch, tail).second) continue;
      counts_.sum += tail;
      counts_.longest = std::max(counts_.longest, tail);
      counts_.slowest_batch = std::max(counts_.slowest_batch, slowest_batch);
    }
  }
  // A server is away, or all is begun anew.
  void Clear() { dry_.clear(); }

  const EpochTailCounts& counts() const { return counts_; }

 private:
  std::map<int32_t, absl::Time> dry_;  // Since when, by epoch.
  EpochTailCounts counts_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_EPOCH_TAILS_H_
