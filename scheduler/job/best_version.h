// The decisions of evaluations of a job with `stop` or `keep_best`: whether the
// job ends, and which version it keeps.
//
//   epoch full and durable ──> evaluated ──┬─ no better ──────> next epoch
//      ^                                   ├─ better: keep its versions, in a
//      └──── items of the next epoch ──────┤  generation that begins from them
//                                          └─ ends: a generation with fewer
//                                             epochs begins from the versions
//                                             of this epoch or of the kept one
//
// Workers get items of the next epoch only after that. So an evaluation is of
// values in which each example of its epochs, and no other, counts once, and
// these values are stored. A kept version is the one that the generation began
// from: retention never deletes that, and each daemon that has the generation
// knows it (docs/decisions/0032).
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_BEST_VERSION_H_
#define EBB_SCHEDULER_JOB_BEST_VERSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/plan.h"
#include "scheduler/cluster.h"
#include "scheduler/job/evaluations.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/rollbacks.h"

namespace ebb::scheduler {

class BestVersion {
 public:
  // The arguments are not owned, and outlive it.
  BestVersion(JobTables* job, JobRounds* rounds, const Evaluations* evaluations,
              Rollbacks* rollbacks)
      : job_(*job),
        rounds_(*rounds),
        evaluations_(*evaluations),
        rollbacks_(*rollbacks) {}

  // Returns whether items of the epoch may be leased: no evaluation of an
  // earlier epoch is to come, or decides on something that is not done yet.
  bool MayLease(int32_t epoch) const;
  // Does what the latest evaluation decides, if it can be done now. All
  // partitions are registered. True: a generation began.
  bool Settle(Context* context);
  // The job is complete: its last version may be the best.
  void Completes();

 private:
  struct Verdict {
    enum class Kind { kGoOn, kKeep, kEnd };
    Kind kind = Kind::kGoOn;
    int32_t epoch = 0;  // Its version is kept, or is the result.
  };
  Verdict Look() const;
  // Each partition has each example of the epochs up to this one, and no other.
  bool AtEndOf(int32_t epoch) const;
  // Some partition has an example of a later epoch.
  bool Beyond(int32_t epoch) const;
  // The newest versions, if they are of the end of the epoch. nullopt: some are
  // not stored, or not told of, yet.
  std::optional<std::vector<VersionKey>> VersionsAtEndOf(int32_t epoch) const;
  // Returns whether each partition's server has the version that the generation
  // began from.
  bool KeptIsThere() const;
  // Ends with the kept version. True: a generation began.
  bool GoBack(int32_t epoch, Context* context);
  bool End(int32_t epoch, RollbackRecord record, Context* context);
  std::string WhyItEnds(int32_t epoch) const;

  JobTables& job_;
  JobRounds& rounds_;
  const Evaluations& evaluations_;
  Rollbacks& rollbacks_;
  bool cannot_end_ = false;  // The job could not be shortened.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_BEST_VERSION_H_
