// Why and to what one job rolls back: an operator orders it, a round's values
// are gone, or the job does so by itself.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_ROLLBACKS_H_
#define EBB_SCHEDULER_JOB_ROLLBACKS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/evaluations.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_tables.h"

namespace ebb::scheduler {

// An operator's order to go back, in a new generation, to versions of the line.
// See RollbackJob in proto/ebb/v1/scheduler.proto.
struct RollbackOrder {
  Generation generation;  // The one that is rolled back.
  RollbackRecord record;  // Its versions.
  std::string what;       // For people.
  // Multiplies the rates from there on; absent: as before.
  std::optional<double> rate_factor;
  // The job from there on; see MayFollow. Null: as before.
  JobRecordPtr change = nullptr;
};

class Rollbacks {
 public:
  // The job as a whole begins a generation: all parts forget what belonged to
  // the one before.
  using BeginGeneration =
      std::function<void(Generation generation, RollbackRecord, Context*)>;

  // The arguments are not owned, and outlive it.
  Rollbacks(JobTables* job, JobRounds* rounds, Evaluations* evaluations,
            BeginGeneration begin_generation)
      : job_(*job),
        rounds_(*rounds),
        evaluations_(*evaluations),
        begin_generation_(std::move(begin_generation)) {}

  // FailedPrecondition: the job is cancelled. Unavailable: not all of it is
  // served now. Aborted: what the order was made for has changed.
  // InvalidArgument: it cannot be.
  absl::Status RollBackTo(const RollbackOrder& order, Context* context);
  // A job in rounds rolls back if a value that is needed is gone. True: it did.
  bool RollBackIfNeeded(Context* context);
  // A job that an operation ended becomes one of as many epochs as it has, in a
  // new generation that goes on from the versions that hold all of it. True: it
  // did.
  bool EndIfDecided(Context* context);
  // The job ends there, in a new generation that goes on from the versions of
  // `record`, which hold nothing beyond. `why` tells it. False: it cannot be
  // shortened.
  bool EndAfter(const JobEnd& end, RollbackRecord record, absl::string_view why,
                Context* context);
  // A new generation goes on from the versions of `record`, which hold all that
  // is applied.
  void GoOnFrom(RollbackRecord record, Context* context);
  // Obeys `policy`, a key of the job: a gradient is not finite, or the loss
  // diverges. `round`: the one that it was seen in; `why` is for people.
  void RollBackByItself(absl::string_view policy, int64_t round,
                        absl::string_view why, Context* context);
  // It may do so once more.
  bool MayByItself() const;
  // For people: what stands in the way of another.
  std::string RolledBackAlready() const;

 private:
  absl::Status MayRollBack(const RollbackOrder& order) const;
  // Returns what the job did when its generation began, for people.
  std::string WhatBeganGeneration() const;
  // Begins the generation of a rollback, at the rate of `record`; `why` tells
  // it.
  void RollBack(RollbackRecord record, std::string why, Context* context);

  JobTables& job_;
  JobRounds& rounds_;
  Evaluations& evaluations_;
  const BeginGeneration begin_generation_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_ROLLBACKS_H_
