// The evaluations of one job: which are kept, and which worker computes the one
// that is under way (evaluator.h).
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_EVALUATIONS_H_
#define EBB_SCHEDULER_JOB_EVALUATIONS_H_

#include <cstdint>
#include <optional>
#include <set>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/backups.h"
#include "scheduler/job/evaluator.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/partition_owners.h"

namespace ebb::scheduler {

class Evaluations {
 public:
  // The arguments are not owned, and outlive it.
  Evaluations(JobTables* job, PartitionOwners* owners, const Backups* backups);

  // --- Workers ---------------------------------------------------------------
  // A snapshot waits for a worker that evaluates it.
  bool WantsEvaluator() const;
  void Evaluate(SessionId worker, Context* context);
  // One worker alone evaluates, and another may do so, too.
  bool MayEvaluateToo() const { return evaluator_.MayLeaseAgain(); }
  // The worker, for which there is no item, evaluates what a slower one
  // evaluates. False: nobody needs it.
  bool EvaluateToo(const WorkerInfo& worker, Context* context);
  // The worker evaluates, alone or with another.
  bool Evaluates(SessionId worker) const {
    return worker != SessionId() &&
           (evaluator_.worker() == worker || evaluator_.second() == worker);
  }
  // All that do so.
  std::set<SessionId> Workers() const;

  // Each returns true when an evaluation has ended, perhaps with an error: the
  // caller then looks what is due next.
  bool Evaluated(const EvaluationResult& result, Context* context);
  bool WorkerLost(SessionId worker, Context* context);
  bool Tick(Context* context);
  absl::Time NextTick() const { return evaluator_.NextTick(); }

  // --- Servers ---------------------------------------------------------------
  void SnapshotTaken(const ServerInfo& server, const SnapshotReply& reply) {
    evaluator_.SnapshotTaken(server, reply);
  }
  // The pinned snapshots may be gone, and what was asked for may be lost.
  void ServersBack(Context* context) {
    checkpoint_asked_ = -1;
    evaluator_.ServersBack(context);
  }

  // --- What is due -----------------------------------------------------------
  // Begins the next, if it is due; so many epochs are full on every partition.
  // If evaluations decide on versions, these must be durable first.
  void Advance(int32_t epochs_full, Context* context);
  bool underway() const { return evaluator_.underway(); }
  bool AllDone() const { return evaluator_.AllDone(); }
  // No evaluation of an epoch before this one is to come.
  bool MayBegin(int32_t epoch) const;
  // The job is known from a server: what was evaluated of it is lost.
  void Lost() { lost_ = true; }
  // The job rolled back: evaluations of epochs that are open again are made
  // again, as soon as it is known which epochs these are, ...
  void ForgetOpen() { forget_open_ = true; }
  // ... or, at once, all of this epoch and later ones.
  void ForgetFrom(int64_t epoch);
  void BeginGeneration() {
    checkpoint_asked_ = -1;
    evaluator_.Abandon();
  }

 private:
  // Takes the evaluation that ended, if one did.
  bool Ended(std::optional<Evaluation> evaluation, Context* context);
  // So many of the epochs that are full may be evaluated.
  int32_t Ready(int32_t epochs_full, Context* context);
  // A judged job evaluates only stored values. If a server lost them, their
  // evaluations are made again.
  void ForgetLost(int32_t epochs_full, Context* context);

  JobTables& job_;
  PartitionOwners& owners_;
  const Backups& backups_;
  Evaluator evaluator_;
  // See ForgetOpen; also of a scheduler that began since.
  bool forget_open_ = false;
  // See Evaluator::Lost.
  bool lost_ = false;
  // The epoch that servers were asked to store, so that it is evaluated.
  int32_t checkpoint_asked_ = -1;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_EVALUATIONS_H_
