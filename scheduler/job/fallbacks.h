// Servers that came back with less than they had: their storage was lost or is
// older, or they died between two checkpoints. The missing part is computed
// again, and people want to know. Lost with the scheduler.
//
// Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_FALLBACKS_H_
#define EBB_SCHEDULER_JOB_FALLBACKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "protocol/marks.h"
#include "scheduler/job/mark_table.h"

namespace ebb::scheduler {

struct Fallback {
  ServerId server;
  SessionId session;  // The life of it that came back with less.
  // The marks that the partitions had, as far as the scheduler knew.
  std::vector<std::pair<PartitionId, MarkSet>> had;
  // When they came back: the most that is computed again, and the part that is
  // not.
  int64_t most_lost = 0;
  int64_t left = 0;

  // Returns whether they have it again.
  bool MadeUpFor(const MarkTable& marks) const;
  // For people: the loss, and how much of it is there by now.
  std::string Text(const MarkTable& marks) const;
};

class Fallbacks {
 public:
  // A partition is back with `has`, and had `had`.
  void CameBack(ServerId server, SessionId session, PartitionId partition,
                const MarkSet& had, const MarkSet& has);
  // Once all partitions are back: a line for each server with less.
  std::vector<std::string> Tell(const MarkTable& marks);
  // The latest of each server, as told.
  const std::vector<Fallback>& told() const { return told_; }
  void Clear() {
    untold_.clear();
    told_.clear();
  }

 private:
  Fallback& Of(ServerId server);

  struct Untold {
    ServerId server;  // The last server that came back with it.
    SessionId session;
    MarkSet had;  // When the first did.
  };

  std::map<PartitionId, Untold> untold_;
  std::vector<Fallback> told_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_FALLBACKS_H_
