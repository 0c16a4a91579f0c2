// Grants the partitions of one job to their owners, each under a new term.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_GRANTER_H_
#define EBB_SCHEDULER_JOB_GRANTER_H_

#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/moves.h"
#include "scheduler/job/partition_owners.h"
#include "scheduler/job/view_keeper.h"

namespace ebb::scheduler {

class Granter {
 public:
  // The arguments are not owned, and outlive it.
  Granter(JobTables* job, PartitionOwners* owners, Moves* moves,
          const ViewKeeper* view, const JobRounds* rounds)
      : job_(*job),
        owners_(*owners),
        moves_(*moves),
        view_(*view),
        rounds_(*rounds) {}

  // Ends the moves of these partitions, draws a new term for each, and sends
  // the grants.
  void Grant(const std::vector<PartitionId>& partitions, Context* context);
  void GrantAll(Context* context);

  // The servers that there are changed, and owners must know it for when this
  // scheduler and its store are gone.
  void TellServers(Context* context) const;
  // The server goes on with what it has. It missed what was told while it was
  // not connected, also which servers came meanwhile.
  void TellMissed(const ServerInfo& server, Context* context) const;
  // Views and rounds, to a server that owns a partition now, or may have missed
  // them.
  void SendNews(const ServerInfo& server, Context* context) const;

 private:
  // A grant without partitions tells the server of the job and of the other
  // servers.
  void Send(const ServerInfo& server, std::vector<PartitionGrant> partitions,
            Context* context) const;

  JobTables& job_;
  PartitionOwners& owners_;
  Moves& moves_;
  const ViewKeeper& view_;
  const JobRounds& rounds_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_GRANTER_H_
