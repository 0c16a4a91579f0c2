// The items of a job that keep failing. Failures are counted by the batch at
// which they happen. After so many, the item is quarantined and the job pauses;
// or the batch is skipped, as the job's policy or an operator says.
//
// A batch is skipped on every partition or on none. The servers' last reports
// do not prove that none has it, nor does the death of the worker that pushed
// it: a push may be on its way. So a skip is wanted first. No worker gets the
// item until all partitions are under new terms, which refuse such pushes, and
// have said what is applied. Then the skip is settled.
//
// Some partitions may have a batch that cannot be computed for the others, as
// the values have changed. It can neither be skipped nor counted: the job
// pauses, whatever its policy, until an operator rolls it back.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob, which
// stores `state` after every call that is not const.
#ifndef EBB_SCHEDULER_JOB_POISON_H_
#define EBB_SCHEDULER_JOB_POISON_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "protocol/plan.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_state.h"
#include "scheduler/job/lease_table.h"
#include "scheduler/job/mark_table.h"

namespace ebb::scheduler {

class Poison {
 public:
  // All arguments outlive it. `state` has the earlier knowledge.
  Poison(const JobRecord& record, const MarkTable& marks, LeaseTable* leases,
         JobState* state);

  // A lease of the item ended by its worker's death or error.
  struct Failure {
    int64_t ordinal = 0;
    int64_t position = 0;     // The place where the batch in work begins.
    bool non_finite = false;  // Its loss or gradient: once is enough.
    PoisonPolicy policy = PoisonPolicy::kPause;
    std::string why;
  };
  // True: a skip is wanted, now: all partitions are to get new terms.
  bool Failed(const Failure& failure, Context* context);
  // A failure there was not the item's; what it led to stays decided.
  void Acquit(int64_t ordinal, int64_t position);
  // Its worker did all of it.
  void Succeeded(int64_t ordinal);
  // No worker can begin the job: no batch is to blame.
  void NobodyCan(int64_t ordinal, const std::string& why, Context* context);

  bool Quarantined(int64_t ordinal) const;
  // Returns where the batch begins that a quarantined item failed at; nullopt:
  // no worker could begin it.
  std::optional<int64_t> QuarantinedAt(int64_t ordinal) const;
  // How often in a row the batch failed before its item was quarantined; 0: no
  // worker could begin it, or an older ebb, which kept no count, did it.
  int32_t FailuresOf(int64_t ordinal) const;
  // Why a quarantined item is quarantined. The text is for people, who know the
  // item.
  QuarantineReason WhyQuarantined(int64_t ordinal) const;
  // Returns whether some partitions have the batch that it failed at: it cannot
  // be left out, since it is left out of all or of none.
  bool AppliedSomewhere(int64_t ordinal) const;
  // Returns whether a batch is to blame for any quarantined item.
  bool BlamesABatch() const;
  // Opens a quarantined item; its batch is tried again. False: it is not
  // quarantined.
  bool Resolve(int64_t ordinal);
  // Its batch is to be skipped; it stays quarantined until that is settled.
  // False: it is not quarantined, or no batch is to blame. True: all partitions
  // are to get new terms.
  bool WantSkip(int64_t ordinal);
  bool SkipWanted(int64_t ordinal) const { return wanted_.contains(ordinal); }
  bool WantsSkips() const { return !wanted_.empty(); }
  // All partitions have reported their marks, in terms drawn since the skips
  // were wanted. False: no skip was wanted.
  bool SettleSkips(Context* context);

  // Decisions that a server has in its values; those that were not known.
  std::vector<SkippedRange> Adopt(const std::vector<SkippedRange>& ranges,
                                  Context* context);

  // The leases were made anew: items stay quarantined, counts begin again, and
  // wanted skips stay wanted.
  void BeginGeneration();

 private:
  void Quarantine(int64_t ordinal, QuarantineReason why, Context* context);
  // The beginning of a reason that must name the item.
  std::string IsQuarantined(int64_t ordinal) const;
  // Says that some partitions have the batch at `begin`, and what to do; "":
  // none.
  std::string WhyNotSkipped(ItemId item, int64_t begin) const;
  // False: it is not quarantined.
  bool Release(int64_t ordinal);
  void Skip(ItemId item, int64_t begin, const std::string& why,
            Context* context);

  const JobRecord& record_;
  const JobPlan& plan_;
  const MarkTable& marks_;
  LeaseTable* const leases_;
  JobState* const state_;

  struct WantedSkip {
    int64_t begin = 0;
    std::string why;
  };
  // By ordinal. Not stored: a scheduler that starts without it tries the batch
  // again.
  std::map<int64_t, WantedSkip> wanted_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_POISON_H_
