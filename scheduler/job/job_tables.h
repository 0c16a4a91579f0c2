// One job as the scheduler knows it now: what it is, what must be remembered of
// it, and the tables that all its parts read. State, and the questions that all
// parts ask; a class for each subject changes it (see job_parts.h).
#ifndef EBB_SCHEDULER_JOB_JOB_TABLES_H_
#define EBB_SCHEDULER_JOB_JOB_TABLES_H_

#include <string>

#include "absl/status/status.h"
#include "common/ids.h"
#include "job/training_facts.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/job/job_state.h"
#include "scheduler/job/lease_table.h"
#include "scheduler/job/mark_table.h"
#include "scheduler/options.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

// Thread-compatible.
struct JobTables {
  // `options` outlives it.
  JobTables(const SchedulerOptions& options, JobRecordPtr record,
            JobState state);
  JobTables(const JobTables&) = delete;  // The leases refer to the marks.
  JobTables& operator=(const JobTables&) = delete;

  JobId id() const { return record->id; }
  const std::string& name() const { return record->name; }
  const JobPlan& plan() const { return known.plan; }
  bool over() const {
    return state.phase == JobPhase::kCompleted ||
           state.phase == JobPhase::kCancelled;
  }
  // A version is kept that the job may go back to, and that partitions leave
  // behind if they move.
  bool KeepsVersion() const {
    return !over() && state.Kept() != nullptr &&
           state.kept_epoch + 1 < plan().epochs;
  }
  // It has no end yet, and is to get one: no worker gets anything until then.
  bool finishing() const { return state.finish_at >= 0 && plan().endless(); }
  // Runs whose values are those of a round.
  bool RunsInRounds() const { return plan().rounds() && plan().algorithm.runs; }
  // FailedPrecondition: the job is over.
  absl::Status NotOver() const;

  // The job is this one from now on; the caller begins a generation of it.
  void TakeRecord(JobRecordPtr other);

  const SchedulerOptions& options;  // Not owned.
  JobRecordPtr record;
  // The same without its specification, at a place that stays: the parts refer
  // to it and to its plan.
  JobRecord known;
  bool new_record = false;            // `record` must be stored.
  job::TrainingFacts training_facts;  // Of `record`.
  JobState state;
  bool dirty = true;     // `state` must be stored.
  bool started = false;  // The scheduler may grant.

  PlacementTable placement;
  MarkTable marks;
  LeaseTable leases;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_JOB_TABLES_H_
