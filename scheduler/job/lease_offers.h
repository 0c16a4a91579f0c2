// Which item of one job a worker gets that wants one: the lowest that is open,
// one of a window that the worker has (lease_places.h), or one that a slower
// worker has (backups.h).
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_LEASE_OFFERS_H_
#define EBB_SCHEDULER_JOB_LEASE_OFFERS_H_

#include <cstdint>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/cluster.h"
#include "scheduler/job/backups.h"
#include "scheduler/job/best_version.h"
#include "scheduler/job/epoch_tails.h"
#include "scheduler/job/evaluations.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/lease_places.h"
#include "scheduler/job/partition_owners.h"
#include "scheduler/job/poison.h"
#include "scheduler/job/worker_demand.h"

namespace ebb::scheduler {

class LeaseOffers {
 public:
  // The parts that it uses; it owns none of them, and all outlive it.
  struct Uses {
    JobTables* job;
    PartitionOwners* owners;
    Backups* backups;
    LeaseKeeper* keeper;
    JobRounds* rounds;
    WorkerDemand* demand;
    const Evaluations* evaluations;
    const BestVersion* best;
    const Poison* poison;
  };
  explicit LeaseOffers(const Uses& uses);

  // Leases the next item to the worker, which works for the job, or one of an
  // earlier epoch that a slower one has; false: there is none now, for
  // whichever worker.
  bool Offer(const WorkerInfo& worker, Context* context);
  // No item is open: workers of `waiting`, all of them the job's, that would be
  // idle get items of slower ones. False: no worker gets any.
  bool OfferBackups(const std::set<SessionId>& waiting, Context* context);

  void WorkerLost(SessionId worker) { places_.Forget(worker); }

  // So many epochs are full on every partition.
  void EpochsFull(int32_t full, absl::Time now);
  // A server is away, or all is begun anew: the end of an epoch that is under
  // way is not measured.
  void ForgetTails() { tails_.Clear(); }
  const EpochTailCounts& tails() const { return tails_.counts(); }

 private:
  bool MayOffer() const;
  std::vector<Backups::Help> LookForHelp(const std::vector<SessionId>& helpers,
                                         int64_t end) const;
  // Before the worker begins an epoch. False: no other needs it.
  bool HelpsEarlierEpoch(SessionId worker, int32_t epoch, Context* context);
  void Help(const Backups::Help& help, Context* context);

  JobTables& job_;
  PartitionOwners& owners_;
  Backups& backups_;
  LeaseKeeper& keeper_;
  JobRounds& rounds_;
  WorkerDemand& demand_;
  const Evaluations& evaluations_;
  const BestVersion& best_;
  const Poison& poison_;
  EpochTails tails_;
  LeasePlaces places_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_LEASE_OFFERS_H_
