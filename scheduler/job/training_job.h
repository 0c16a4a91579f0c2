// One job, as the scheduler runs it: places its partitions, leases its items,
// keeps its view, notices that epochs, rounds and the job itself are done.
//
// Its parts (job_parts.h) deal with one subject each. Messages about one of
// them go to that part; what concerns several is here, in the order that it
// must have.
//
// Decision logic only. Thread-compatible. A job and the Cluster it is given
// belong to one SchedulerCore.
#ifndef EBB_SCHEDULER_JOB_TRAINING_JOB_H_
#define EBB_SCHEDULER_JOB_TRAINING_JOB_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_parts.h"
#include "scheduler/job/job_state.h"
#include "scheduler/job/lease_table.h"
#include "scheduler/job/mark_table.h"
#include "scheduler/options.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

class TrainingJob {
 public:
  TrainingJob(const SchedulerOptions& options, JobRecordPtr record,
              JobState state);
  TrainingJob(const TrainingJob&) = delete;  // Its parts know each other.
  TrainingJob& operator=(const TrainingJob&) = delete;

  // The scheduler may grant from now on: every partition gets a new term.
  void Start(Context* context);

  // --- Servers ---------------------------------------------------------------

  // A server registered; `registration` is null when it knows nothing of this
  // job.
  void ServerRegistered(const ServerInfo& server,
                        const JobRegistration* registration, Context* context);
  void PartitionsRegistered(const ServerInfo& server,
                            const JobRegistration& registration,
                            Context* context);
  void ServerLost(const ServerInfo& server, Context* context);
  void Marks(const ServerInfo& server, const MarkReport& report,
             Context* context);
  void PartitionMovedIn(const ServerInfo& server,
                        const JobRegistration& registration, Context* context);

  // --- Workers ---------------------------------------------------------------

  // The worker does not reach a server of the job: others get what it has.
  void CutOff(SessionId worker, Context* context);
  // Leases of a worker that registers anew and does not name them.
  void ReleaseUnclaimed(const WorkerInfo& worker, Context* context);
  // Maybe it can begin what those before it could not.
  void WorkerArrived(const WorkerInfo& worker, Context* context);
  void WorkerLost(const WorkerInfo& worker, Context* context);
  void Evaluated(const EvaluationResult& result, Context* context);
  // How far its data reaches.
  void Reached(const DataReached& message, Context* context);

  // --- Operators -------------------------------------------------------------

  // Decides about a quarantined item; the job goes on when it was the last. A
  // skip is settled when the servers have said that none has the batch; if one
  // has, or no batch failed, it is tried again.
  void Resolve(int64_t ordinal, bool skip, Context* context);
  void Cancel(Context* context);
  // See Finish::Order; nothing: after all that is known to be there.
  absl::Status Finish(std::optional<int64_t> examples, Context* context);
  // FailedPrecondition: the job is over.
  absl::Status EndPause(Context* context);

  // --- Time, and what must be stored -----------------------------------------

  // Returns the workers whose leases ran out: they may be there, but say
  // nothing.
  std::vector<SessionId> Tick(Context* context);
  absl::Time NextTick() const;
  // Must be stored before the actions of this event are carried out.
  bool TakeDirty() { return std::exchange(parts_.tables.dirty, false); }
  // The same, for record().
  bool TakeNewRecord() {
    return std::exchange(parts_.tables.new_record, false);
  }

  // --- What it is ------------------------------------------------------------
  JobParts& parts() { return parts_; }
  const JobParts& parts() const { return parts_; }
  // Values of its tables.
  JobId id() const { return parts_.tables.id(); }
  const JobRecordPtr& record() const { return parts_.tables.record; }
  const JobPlan& plan() const { return parts_.tables.plan(); }
  const JobState& state() const { return parts_.tables.state; }
  const PlacementTable& placement() const { return parts_.tables.placement; }
  const MarkTable& marks() const { return parts_.tables.marks; }
  const LeaseTable& leases() const { return parts_.tables.leases; }

 private:
  bool AcceptGeneration(const JobRegistration& registration, Context* context);
  // Forgets what belonged to the generation before, and grants all anew.
  void BeginGeneration(Generation generation, RollbackRecord rollback,
                       Context* context);
  // Workers in the job learn where its partitions are now; those that were
  // refused wait for it.
  void PlacementChanged(Context* context);
  // Marks, or what waits for them, are others now: does what follows.
  void MarksChanged(Context* context);
  // Every item is applied everywhere, or no longer is.
  void SettleEnd(Context* context);
  void Reopen(Context* context);

  JobParts parts_;
  bool final_checkpoint_asked_ = false;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_TRAINING_JOB_H_
