// The servers' reports of the updates of one job, and the consequences of their
// loss: a job that diverges pauses or rolls back, as its policy says.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_LOSS_WATCH_H_
#define EBB_SCHEDULER_JOB_LOSS_WATCH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "protocol/messages.h"
#include "protocol/scaled_updates.h"
#include "scheduler/cluster.h"
#include "scheduler/job/divergence.h"
#include "scheduler/job/job_pauses.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/late_updates.h"
#include "scheduler/job/rollbacks.h"

namespace ebb::scheduler {

// Figures that servers report; lost with the scheduler.
struct JobStatistics {
  int64_t updates = 0;
  std::vector<int64_t> staleness;  // Histogram by staleness.
  int64_t clock_lead = 0;          // SSP: the largest.
  Traffic traffic;                 // Bytes of values.
  ScaledUpdates scaled;            // The updates in `staleness`.
  // How long workers waited for a clock bound; nullopt: no server said.
  std::optional<absl::Duration> bound_wait;
  std::optional<double> recent_loss;       // Mean.
  std::map<int32_t, EpochLossSum> losses;  // By epoch.
};

class LossWatch {
 public:
  // The arguments are not owned, and outlive it.
  LossWatch(JobTables* job, JobPauses* pauses, Rollbacks* rollbacks)
      : job_(*job),
        pauses_(*pauses),
        rollbacks_(*rollbacks),
        divergence_(job->plan(), job->training_facts.guess_loss) {}

  void Heard(const ServerStatistics& statistics, Context* context);
  // All is applied and durable. True: it diverged, and so it does not end.
  bool StopsAtItsEnd(Context* context);
  void BeginGeneration();

  const JobStatistics& statistics() const { return statistics_; }
  // Says for people what is wrong with the course of its loss; empty: nothing.
  std::string DivergenceText() const;
  // Says, for people, if too many of the latest updates of this generation were
  // scaled to nothing; empty: no.
  std::string LateUpdatesText() const;

 private:
  void Add(const ServerStatistics& statistics);
  // The loss of the latest updates was heard.
  bool WatchesDivergence() const;
  void LookForDivergence(Context* context);
  // Does as its policy says. True: it paused, or rolled back.
  bool Diverges(Context* context);

  JobTables& job_;
  JobPauses& pauses_;
  Rollbacks& rollbacks_;
  JobStatistics statistics_;
  Divergence divergence_;
  LateUpdates late_updates_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_LOSS_WATCH_H_
