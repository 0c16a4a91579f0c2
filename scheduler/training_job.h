// One job, as the scheduler runs it: places its partitions, leases its items,
// keeps its view, notices that epochs, rounds and the job itself are done.
//
// Decision logic only. Thread-compatible. A job and the Cluster it is given
// belong to one SchedulerCore.
#ifndef EBB_SCHEDULER_TRAINING_JOB_H_
#define EBB_SCHEDULER_TRAINING_JOB_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/cluster.h"
#include "scheduler/evaluator.h"
#include "scheduler/fallbacks.h"
#include "scheduler/job_state.h"
#include "scheduler/lease_table.h"
#include "scheduler/mark_table.h"
#include "scheduler/placement.h"
#include "scheduler/poison.h"
#include "scheduler/rounds.h"
#include "scheduler/view.h"

namespace ebb::scheduler {

// Figures that servers report; lost with the scheduler.
struct JobStatistics {
  int64_t updates = 0;
  std::vector<int64_t> staleness;                     // Histogram by staleness.
  std::optional<double> recent_loss;                  // Mean.
  std::map<int32_t, EpochLossSum> losses;             // By epoch.
  std::map<std::string, int64_t> examples_by_worker;  // Computed, by name.
};

class TrainingJob {
 public:
  TrainingJob(const SchedulerOptions& options, JobRecordPtr record,
              JobState state);
  TrainingJob(const TrainingJob&) = delete;  // Its parts know each other.
  TrainingJob& operator=(const TrainingJob&) = delete;

  // --- Servers ---------------------------------------------------------------

  // The scheduler may grant from now on: every partition gets a new term.
  void Start(Context* context);
  bool started() const { return started_; }
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
  void SendView(const ServerInfo& server, Context* context);
  void SnapshotTaken(const ServerInfo& server, const SnapshotReply& reply);
  void Statistics(const ServerStatistics& statistics);

  // --- Workers ---------------------------------------------------------------

  // Gives the worker one thing to do; false when there is nothing for it.
  bool Offer(WorkerInfo* worker, Context* context);
  void AdoptLease(const WorkerInfo& worker, const HeldItem& held, int64_t clock,
                  Context* context);
  // Leases of a worker that registers anew and does not name them.
  void ReleaseUnclaimed(const WorkerInfo& worker, Context* context);
  // Maybe it can begin what those before it could not.
  void WorkerArrived(const WorkerInfo& worker, Context* context);
  void WorkerLost(const WorkerInfo& worker, Context* context);
  void Renewed(WorkerInfo* worker, const Progress& progress, Context* context);
  void ItemEnded(WorkerInfo* worker, const ItemEnd& end, Context* context);
  void SendPlacement(SessionId worker, Context* context);
  void Evaluated(const EvaluationResult& result, Context* context);

  // --- Operators -------------------------------------------------------------
  // Decides about a quarantined item; the job goes on when it was the last.
  // Skipping where no batch failed does nothing.
  void Resolve(int64_t ordinal, bool skip, Context* context);
  void Cancel(Context* context);
  void RequestCheckpoint(Context* context);

  void Tick(Context* context);
  absl::Time NextTick() const;

  // Must be stored before the actions of this event are carried out.
  bool TakeDirty() { return std::exchange(dirty_, false); }

  // --- What it is ------------------------------------------------------------
  JobId id() const { return record_->id; }
  const JobRecordPtr& record() const { return record_; }
  const JobPlan& plan() const { return record_->plan; }
  const JobState& state() const { return state_; }
  const PlacementTable& placement() const { return placement_; }
  const MarkTable& marks() const { return marks_; }
  const LeaseTable& leases() const { return leases_; }
  const View& view() const { return view_; }
  const JobStatistics& statistics() const { return statistics_; }
  const Poison& poison() const { return poison_; }
  const Fallbacks& fallbacks() const { return fallbacks_; }
  bool evaluating() const { return evaluator_.underway(); }
  // Whether as many workers as the job wants at least are there, or were when
  // it began.
  bool HasBegun(const Cluster& cluster) const;
  // Who evaluates; 0: nobody yet.
  SessionId evaluator() const { return evaluator_.worker(); }

 private:
  bool AcceptGeneration(const JobRegistration& registration, Context* context);
  // Forgets what belonged to the generation before, and grants all anew.
  void BeginGeneration(Generation generation, RollbackRecord rollback,
                       Context* context);
  // True: the job rolled back.
  bool RollBackIfNeeded(Context* context);
  void AssignOwners(Context* context);
  // Draws a new term for each and sends the grants.
  void GrantAnew(const std::vector<PartitionId>& partitions, Context* context);
  void GrantAll(Context* context);
  // True: the registration shows the drawn term, and is believed.
  bool Believe(const ServerInfo& server, const PartitionRegistration& one,
               Context* context);
  // What the worker computed since it last said so counts for this job.
  void Computed(WorkerInfo* worker, int64_t examples);
  // Says which servers came back with less, once all are there.
  void TellFallbacks(Context* context);
  void MarksChanged(Context* context);
  void TellRounds(Context* context);
  void PlacementChanged(Context* context);

  // Takes back the leases of these items.
  void RevokeLeases(absl::FunctionRef<bool(ItemId item)> which,
                    Context* context);
  bool MayLease(int64_t ordinal, Context* context);
  void SendLease(SessionId worker, int64_t ordinal, Context* context);
  void JoinView(SessionId worker, int64_t own_clock, Context* context);
  void LeaveViewIfIdle(SessionId worker, Context* context);
  void CouldNotBegin(WorkerInfo* worker, const std::string& why,
                     Context* context);
  void PauseIfNobodyCan(Context* context);
  void LeaseFailed(const Poison::Failure& failure, Context* context);
  // It was paused.
  void GoOn(Context* context);
  void WarnOfTooManyWorkers(Context* context) const;
  void BroadcastView(Context* context);
  // What ended, if anything did.
  void EvaluationEnded(std::optional<Evaluation> evaluation, Context* context);

  const SchedulerOptions& options_;
  JobRecordPtr record_;
  JobState state_;
  bool dirty_ = true;
  bool started_ = false;
  std::string could_not_begin_;  // Who, and why: the last.
  bool begun_ = false;           // Once HasBegun(), always.

  PlacementTable placement_;
  MarkTable marks_;
  LeaseTable leases_;
  // Where workers stopped that gave an item back, until it is leased again.
  std::map<int64_t, int64_t> returned_at_;
  View view_;
  Poison poison_;
  Rounds rounds_;
  Evaluator evaluator_;
  Fallbacks fallbacks_;
  bool final_checkpoint_asked_ = false;
  JobStatistics statistics_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_TRAINING_JOB_H_
