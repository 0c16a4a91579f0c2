// Moves the partitions of one job between servers that are there
// (docs/decisions/0006): one at a time, from servers that are leaving or have
// too many to those that have few.
//
//   begun ──(progress, ...)──> moved in ──> the target owns it
//     └──(failed, no progress, target away)──> given up: the source goes on
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_PARTITION_MOVER_H_
#define EBB_SCHEDULER_JOB_PARTITION_MOVER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/balance.h"
#include "scheduler/job/granter.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/moves.h"
#include "scheduler/job/partition_owners.h"
#include "scheduler/job/registrar.h"

namespace ebb::scheduler {

class PartitionMover {
 public:
  // The parts that it uses; it owns none of them, and all outlive it.
  struct Uses {
    JobTables* job;
    PartitionOwners* owners;
    Moves* moves;
    Granter* granter;
    Registrar* registrar;
  };
  explicit PartitionMover(const Uses& uses);

  // Begins the next move that is due, if any.
  void MoveOn(Context* context);
  void Progressed(const ServerInfo& server, const MoveProgress& progress,
                  Context* context);
  // False: it is of another generation, or the job is cancelled.
  bool MovedIn(const ServerInfo& server, const JobRegistration& registration,
               Context* context);
  // Gives up those to the server, which is away.
  void TargetLost(const ServerInfo& target, Context* context);
  void GiveUpAll(const std::string& why, Context* context);

  // A server that is leaving owns something here, and somebody may take it.
  bool TakesFrom(const ServerInfo& server, const Context& context) const;
  // Over how many servers the partitions lie at most; 0: over all.
  // InvalidArgument: a negative number.
  absl::Status Scale(int32_t servers, Context* context);

  // Gives up moves that show no progress. Then MoveOn.
  void Tick(Context* context);
  absl::Time NextTick() const;

 private:
  void Begin(const WantedMove& wanted, Context* context);
  void GiveUp(PartitionId p, const std::string& why, Context* context);
  void Commit(const PartitionRegistration& one, const Move& move,
              const ServerInfo& server, Context* context);
  void NotePause(const ServerInfo& server, const MoveProgress& progress,
                 Context* context);

  JobTables& job_;
  PartitionOwners& owners_;
  Moves& moves_;
  Granter& granter_;
  Registrar& registrar_;
  absl::Time last_tick_ = absl::InfinitePast();
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_PARTITION_MOVER_H_
