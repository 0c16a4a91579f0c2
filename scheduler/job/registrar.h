// Hears what servers have of the partitions of one job; decides what of it is
// believed, and what is granted anew.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_REGISTRAR_H_
#define EBB_SCHEDULER_JOB_REGISTRAR_H_

#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/evaluations.h"
#include "scheduler/job/fallbacks.h"
#include "scheduler/job/granter.h"
#include "scheduler/job/item_failures.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/partition_owners.h"

namespace ebb::scheduler {

class Registrar {
 public:
  // The parts that it uses; it owns none of them, and all outlive it.
  struct Uses {
    JobTables* job;
    PartitionOwners* owners;
    LeaseKeeper* keeper;
    JobRounds* rounds;
    Granter* granter;
    Evaluations* evaluations;
    ItemFailures* failures;
  };
  explicit Registrar(const Uses& uses);

  // A server is there; `registration` is null when it knows nothing of the job.
  // `same_generation`: the registration is of the present one. Once the job has
  // started, the caller then looks what the marks lead to.
  void ServerRegistered(const ServerInfo& server,
                        const JobRegistration* registration,
                        bool same_generation, Context* context);
  // The registration is of the present generation. True: marks are known that
  // were not.
  bool PartitionsRegistered(const ServerInfo& server,
                            const JobRegistration& registration,
                            Context* context);
  // True: the registration shows the drawn term, and is believed.
  bool Believe(const ServerInfo& server, const PartitionRegistration& one,
               Context* context);
  // False: it is of another generation.
  bool Marks(const ServerInfo& server, const MarkReport& report);

  const Fallbacks& fallbacks() const { return fallbacks_; }
  void BeginGeneration() { fallbacks_.Clear(); }

 private:
  bool IsPartition(PartitionId p) const {
    return p.value() >= 0 && p.value() < job_.placement.size();
  }
  // Hears what a server that registers says of the partitions. Returns for each
  // partition whether it is believed.
  std::vector<bool> HearAll(const ServerInfo& server,
                            const JobRegistration& registration,
                            bool same_generation, Context* context);
  // Says which servers came back with less, once all are there.
  void TellFallbacks(Context* context);

  JobTables& job_;
  PartitionOwners& owners_;
  LeaseKeeper& keeper_;
  JobRounds& rounds_;
  Granter& granter_;
  Evaluations& evaluations_;
  ItemFailures& failures_;
  Fallbacks fallbacks_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_REGISTRAR_H_
