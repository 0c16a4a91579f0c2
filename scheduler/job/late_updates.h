// Tells whether too many of a job's latest updates count for nothing, because
// their gradients came so late that the algorithm made their steps tiny.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_LATE_UPDATES_H_
#define EBB_SCHEDULER_JOB_LATE_UPDATES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/scaled_updates.h"

namespace ebb::scheduler {

class LateUpdates {
 public:
  // The updates since the last call, of a job with so many partitions: a push
  // is an update of each. True: too many of the latest were scaled to nothing,
  // and of those before them not.
  bool Heard(const ScaledUpdates& updates, int64_t partitions);

  // The latest updates, if too many of them were scaled to nothing.
  const std::optional<ScaledUpdates>& found() const { return found_; }

 private:
  ScaledUpdates latest_;
  std::optional<ScaledUpdates> found_;
};

// Describes them and the remedy to people.
std::string LateUpdatesText(const ScaledUpdates& found);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_LATE_UPDATES_H_
