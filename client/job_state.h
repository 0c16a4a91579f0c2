// One job of a worker as it is now: what the job is, where its partitions are,
// which items are on lease, and which pushes are on their way.
//
// It is the state that all parts of JobWork read and change, and the questions
// that they all ask of it. What only one part needs is in that part
// (job_work.h lists them).
//
// Thread-compatible.
#ifndef EBB_CLIENT_JOB_STATE_H_
#define EBB_CLIENT_JOB_STATE_H_

#include <cstdint>

#include "client/actions.h"
#include "client/computation.h"
#include "client/job_limits.h"
#include "client/leased_items.h"
#include "client/pusher.h"
#include "client/routes.h"
#include "client/worker_state.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

struct JobState {
  // `worker` outlives it.
  JobState(JobRecordPtr record, Generation generation, WorkerState* worker);
  JobState(const JobState&) = delete;
  JobState& operator=(const JobState&) = delete;

  const JobPlan& plan() const { return record->plan; }
  int64_t clock() const { return pusher.clock(); }
  WorkerStamp stamp() const {
    return {worker.options.session, joined, clock()};
  }
  // Others may wait for its clock, or the job has no clocks.
  bool in_view() const { return !plan().clocked() || joined != ViewNumber(); }
  // An item is held, or the job is to be evaluated.
  bool wanted() const {
    return !items.empty() || worker.evaluates == record->id;
  }
  // The batch of this job that is being computed; null: none.
  const Computation::Batch* computing() const;

  // Returns how much may be under way, by the memory there is.
  JobLimits limits() const;
  // It goes on with what it has while servers are away.
  bool GoesOn() const { return limits().goes_on; }

  // What is pushed to the server is kept until it is answered. A worker that
  // leaves does not wait for room.
  bool SendsAgain(ServerId server) const;
  // What is under way to the server is lost: its partitions step back.
  void StepBackServer(ServerId server);
  // A push of the run, in the name of this worker. `result` and `values`
  // outlive the order.
  Pusher::Order OrderFor(const LeasedItems::Run& run,
                         const ComputeResult& result,
                         const PulledValues* values, bool skip) const;

  // The first record of the job: what parts read of its plan never changes.
  const JobRecordPtr first_record;
  JobRecordPtr record;
  WorkerState& worker;  // Not owned.
  Generation generation;
  ViewNumber joined;
  int64_t skips = 0;  // The same as in the last Lease.
  Routes routes;
  LeasedItems items;
  Pusher pusher;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_JOB_STATE_H_
