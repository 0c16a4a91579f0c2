// A worker's decisions: which batch next, what to pull, where to push, what a
// reply means. The daemon ebb-worker, the client library and the simulator run
// this same class round their own mathematics.
//
// It keeps the session with the scheduler and leaves in good order. JobWork
// (job_work.h) does the work of a job, EvaluationWork that of an evaluation.
//
// Messages and time go in, actions come out; it has no thread, socket, clock or
// disk. It has no state worth saving: the next holder of a lease starts at a
// hint, and the first replies correct it (docs/protocol.md, "A worker").
//
// Thread-compatible: the shell holds one lock around it.
#ifndef EBB_CLIENT_TRAINING_CORE_H_
#define EBB_CLIENT_TRAINING_CORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/evaluation_work.h"
#include "client/job_work.h"
#include "client/leased_items.h"
#include "client/options.h"
#include "client/worker_state.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class TrainingCore {
 public:
  explicit TrainingCore(ClientOptions options);
  TrainingCore(const TrainingCore&) = delete;
  TrainingCore& operator=(const TrainingCore&) = delete;

  // --- The session with the scheduler ----------------------------------------
  void OnSchedulerConnected(absl::Time now, ClientActions* out);
  void OnSchedulerDisconnected();
  void OnScheduler(SchedulerToWorker message, absl::Time now,
                   ClientActions* out);

  // --- Answers to the actions ------------------------------------------------
  void OnPushReply(const PushId& id, const PushReply& reply, absl::Time now,
                   ClientActions* out);
  void OnPushFailed(const PushId& id, const CallFailure& why, absl::Time now,
                    ClientActions* out);
  // The server had no room for the call; it may have got the push all the same.
  void OnPushRefused(const PushId& id, absl::Time now, ClientActions* out);
  // A message of the call is over a limit, as `why` says: the same call never
  // succeeds, so this worker cannot go on with the job.
  void OnPushOverLimit(const PushId& id, const absl::Status& why,
                       absl::Time now, ClientActions* out);
  void OnPullOverLimit(const PullId& id, const absl::Status& why,
                       absl::Time now, ClientActions* out);
  void OnPullReply(const PullId& id, PullReply reply, absl::Time now,
                   ClientActions* out);
  void OnPullFailed(const PullId& id, const CallFailure& why, absl::Time now,
                    ClientActions* out);
  // The server had no room for the call.
  void OnPullRefused(const PullId& id, absl::Time now, ClientActions* out);
  // Bytes that the computer holds beside values and gradients, from now on.
  void set_held_bytes(int64_t bytes) { worker_.held_bytes = bytes; }
  void set_room_advice(std::string advice) {
    worker_.room_advice = std::move(advice);
  }
  // JobComputer::steps, before each tick.
  void NoteSteps(int64_t steps, absl::Time now) {
    worker_.computation.NoteSteps(steps, now);
  }
  void OnJobReady(JobId job, const absl::Status& status, absl::Time now,
                  ClientActions* out);
  void OnRowsFound(const FindRows& batch, absl::StatusOr<BatchRowsPtr> rows,
                   absl::Time now, ClientActions* out);
  void OnComputed(ComputeResult result, absl::Time now, ClientActions* out);
  void OnEvaluated(const std::optional<EvaluationResult>& result,
                   absl::Time now, ClientActions* out);
  // So many examples of the job are there; `ended`: there will be no more.
  void OnDataReached(JobId job, int64_t examples, bool ended,
                     ClientActions* out) const;

  // Call at NextTick() or later.
  void OnTick(absl::Time now, ClientActions* out);
  absl::Time NextTick() const;

  // Leaves in good order: begins no batch, delivers computed ones, and gives
  // items back. Drained() becomes true when all is done.
  void Drain(absl::Time now, ClientActions* out);
  bool Drained() const { return drained_; }

  // --- What it is ------------------------------------------------------------
  bool computing() const { return worker_.computation.busy(); }
  int64_t batches_computed() const { return worker_.computation.batches(); }
  int64_t examples_computed() const { return worker_.computation.examples(); }
  const LocalSteps& local_steps() const { return worker_.local_steps; }
  const CachedRowCounts& cached_rows() const { return worker_.cached_rows; }
  const FailedCalls& failed_calls() const { return worker_.failed_calls; }
  // How many servers of its jobs it has not reached for a while.
  int64_t UnreachedServers(absl::Time now) const;
  size_t jobs() const { return works_.size(); }  // Jobs that it remembers.
  int64_t clock(JobId job) const;
  bool Awaits(const PushId& id) const;  // It is on its way.
  std::vector<ItemId> held(JobId job) const;
  // The job's batches that are likely to come next, in order, without the one
  // that is computed; `most` at most. Others may come: an item that is lost or
  // falls back changes all that follows.
  std::vector<LeasedItems::Run> Ahead(JobId job, size_t most) const;

 private:
  void Handle(Lease lease, absl::Time now, ClientActions* out);
  void Handle(EvaluationLease lease, absl::Time now, ClientActions* out);
  void Handle(const LeaseLost& lost, absl::Time now, ClientActions* out);
  void Handle(const Placement& placement, absl::Time now, ClientActions* out);
  void Handle(WatchData watch, absl::Time now, ClientActions* out);

  // Null: nothing is remembered of the job.
  JobWork* Find(JobId job);
  // Returns the work of this generation, ready or being prepared.
  JobWork& WorkFor(const JobRecordPtr& record, Generation generation,
                   ClientActions* out);

  // Forgets idle jobs, the oldest first, where there are too many to keep.
  void ForgetJobs(ClientActions* out);

  void ComputerIsFree(absl::Time now);
  // After every event: whatever can be done next.
  void Advance(absl::Time now, ClientActions* out);
  void AskForLeases(ClientActions* out);
  // Returns whether to lease one more item beyond options.held_items.
  bool HoldsTooFewBatches(int32_t items) const;
  void SayLeaving(ClientActions* out);
  void FinishDrain(ClientActions* out);

  WorkerState worker_;
  std::map<JobId, JobWork> works_;
  EvaluationWork evaluation_;
  bool drained_ = false;
  int32_t asked_for_ = 0;  // Items in the last LeaseRequest, not yet leased.
  absl::Time last_event_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_TRAINING_CORE_H_
