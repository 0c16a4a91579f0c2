// Decides which worker helps which at the end of an epoch, a round or a job. A
// worker that would be idle, or begin the next epoch, gets an item of a worker
// that will need clearly longer for it.
//
// An item that its worker has not begun is moved: taken from it, and leased to
// the other. One that it has begun is leased a second time (a backup task):
// both work from the marks, each partition takes whichever push comes first,
// and the later learns from its first duplicate where to go on.
//
// The pace of workers follows from their reports of computed examples, over the
// last seconds in which they had work and did not wait for others.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_BACKUPS_H_
#define EBB_SCHEDULER_JOB_BACKUPS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "scheduler/actions.h"
#include "scheduler/job/lease_table.h"
#include "scheduler/job/mark_table.h"
#include "scheduler/options.h"

namespace ebb::scheduler {

// How fast a worker computes.
class Pace {
 public:
  // From now on it has something to do; `examples` as it says in all its life.
  void Begin(int64_t examples, absl::Time now);
  // It has no work any more. Its last examples may be reported only later.
  void End(absl::Time now);
  // `waited`: for others, since it was last heard.
  void Heard(int64_t examples, bool waited, absl::Time now);

  // Time per example. Nullopt: nothing is known yet.
  std::optional<absl::Duration> PerExample() const;
  // Returns it as if the worker were about to report `pending` more.
  std::optional<absl::Duration> AtLeast(int64_t pending) const;

 private:
  // The time since which it has work that is not reported yet; and the part of
  // that time which lies before.
  std::optional<absl::Time> busy_since_;
  absl::Duration unheard_;
  int64_t examples_ = 0;  // Last heard.
  // Over the last seconds, the latest counting most.
  double computed_ = 0;
  absl::Duration took_;
};

// The results of the second leases, in the scheduler's life.
struct BackupCounts {
  int64_t leased = 0;  // Items leased a second time.
  int64_t won = 0;     // The second was done first, ...
  int64_t lost = 0;    // ... or the first; else one of them ended otherwise.
  int64_t moved = 0;   // Items taken from a worker that had not begun them.
  // Examples that both workers of an item computed, as far as was heard.
  int64_t computed_twice = 0;
};

class Backups {
 public:
  // All outlive it.
  Backups(const SchedulerOptions& options, const JobPlan& plan,
          const MarkTable& marks, const LeaseTable& leases)
      : options_(options), plan_(plan), marks_(marks), leases_(leases) {}

  // --- What workers do -------------------------------------------------------
  // `examples`: computed in the worker's life, as it last said.
  void Begins(SessionId worker, int64_t examples, absl::Time now) {
    paces_[worker].Begin(examples, now);
  }
  void Ends(SessionId worker, absl::Time now);
  void Heard(SessionId worker, int64_t examples, bool waited, absl::Time now);
  void Gone(SessionId worker) { paces_.erase(worker); }

  // Returns whether one is faster by so much that it is worth to compute
  // something twice; both paces are known.
  bool MuchFaster(SessionId one, SessionId other) const;
  // Time per example of the slowest with a known pace; zero: none is known.
  absl::Duration SlowestPace() const;

  // --- Decisions -------------------------------------------------------------
  struct Help {
    int64_t ordinal = 0;
    SessionId from;  // The worker that has it.
    SessionId to;
    bool begun = false;  // By the worker that has it.
  };
  // Returns whether it is time for a Look(), which goes through all leases; the
  // next is a while later.
  bool Due(absl::Time now);
  // Says which of `helpers` are to help which workers, each at most once, with
  // items below `end`; it leaves alone those that `leave_alone` names.
  using Predicate = absl::FunctionRef<bool(int64_t ordinal)>;
  std::vector<Help> Look(const std::vector<SessionId>& helpers, int64_t end,
                         Predicate leave_alone) const;

  // --- Counts ----------------------------------------------------------------
  void Moved() { ++counts_.moved; }
  // `examples`: of both workers together, as they last said.
  void Leased(int64_t ordinal, int64_t examples);
  // One of the two was done first.
  void Done(int64_t ordinal, bool backup_first, int64_t examples);
  const BackupCounts& counts() const { return counts_; }

  // The leases were made anew.
  void BeginGeneration() { pairs_.clear(); }

 private:
  struct Pair {
    int64_t examples = 0;
    int64_t mark = 0;
  };
  // The worker's remaining work on items below `end`.
  int64_t RestOf(SessionId worker, int64_t end) const;
  int64_t Rest(int64_t ordinal) const;
  // Within a run marks stand still, so its worker says where it is.
  int64_t RestInWork(int64_t ordinal, SessionId worker) const;
  // The mean over all workers; nullopt: no pace is known yet.
  std::optional<absl::Duration> MeanPace() const;

  const SchedulerOptions& options_;
  const JobPlan& plan_;
  const MarkTable& marks_;
  const LeaseTable& leases_;
  std::map<SessionId, Pace> paces_;
  std::map<int64_t, Pair> pairs_;  // By item: when the second lease began.
  absl::Time next_look_ = absl::InfinitePast();
  BackupCounts counts_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_BACKUPS_H_
