// The leases of one job as its workers are told of them: sent, and taken back.
// Whoever gives or ends a lease (lease_offers.h, held_leases.h) does so here.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_LEASE_KEEPER_H_
#define EBB_SCHEDULER_JOB_LEASE_KEEPER_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/cluster.h"
#include "scheduler/job/backups.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/view_keeper.h"

namespace ebb::scheduler {

class LeaseKeeper {
 public:
  // The arguments are not owned, and outlive it.
  LeaseKeeper(JobTables* job, ViewKeeper* view, Backups* backups)
      : job_(*job), view_(*view), backups_(*backups) {}

  // The worker holds an item, and held none before.
  void Begins(const WorkerInfo& worker, absl::Time now);
  void Send(SessionId worker, int64_t ordinal, Context* context);
  // Answers a worker with a careful lease: it may begin the batch.
  void SendBegin(SessionId worker, LeaseTable::Place place, Context* context);
  // Notes where the worker stopped that gave the item back.
  void Returned(int64_t ordinal, int64_t position) {
    returned_at_[ordinal] = position;
  }
  void Revoke(int64_t ordinal, SessionId worker, Context* context);
  // Takes back the leases of these items.
  void RevokeWhere(absl::FunctionRef<bool(ItemId item)> which,
                   Context* context);
  // Ends all leases; a worker whose lease ran out unheard hears it, too.
  void EndAll(Context* context);
  // Takes back all that these workers have; they leave the view.
  void TakeBack(const std::vector<SessionId>& workers, Context* context);
  void IfIdle(SessionId worker, Context* context);

  void BeginGeneration();

 private:
  Lease LeaseOf(SessionId worker, int64_t ordinal);

  JobTables& job_;
  ViewKeeper& view_;
  Backups& backups_;
  // The places where workers gave items back, until these are leased again.
  std::map<int64_t, int64_t> returned_at_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_LEASE_KEEPER_H_
