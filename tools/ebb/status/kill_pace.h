// When `ebb run --kill-every` may kill the next daemon of its plan.
#ifndef EBB_TOOLS_EBB_STATUS_KILL_PACE_H_
#define EBB_TOOLS_EBB_STATUS_KILL_PACE_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace ebb::tools {

// A kill is due at its time in the plan, and not before the job went on after
// the kill before: its victim is back, and more is applied than ever before to
// the job that trains now. So a job ends however slow the machine is, as each
// kill costs it less than it gained. Decides by what it is told, without a
// clock of its own. Not thread-safe.
//
//   pace.See(victim_is_back, job, applied);  // In each turn.
//   if (pace.Due(plan.next().after, elapsed)) {
//     ... kill the daemon ...
//     pace.Killed(plan.next().after, elapsed);
//     plan.Advance();
//   }
class KillPace {
 public:
  // The plan has one kill in each `every`.
  explicit KillPace(absl::Duration every) : every_(every) {}

  // `victim_is_back`: the daemon that was killed last has joined the cluster
  // again, or is not to run any more. `applied` examples of the job with this
  // number are in the partition that has the least.
  void See(bool victim_is_back, uint64_t job, int64_t applied) {
    if (job != job_) {
      job_ = job;
      most_ = before_ = 0;
    }
    most_ = std::max(most_, applied);
    switch (wait_) {
      case Wait::kNone:
        break;
      case Wait::kVictim:
        if (!victim_is_back) break;
        wait_ = Wait::kProgress;
        before_ = most_;
        break;
      case Wait::kProgress:
        if (most_ > before_) wait_ = Wait::kNone;
    }
  }

  // `planned` and `elapsed` are times since the run's start.
  bool Due(absl::Duration planned, absl::Duration elapsed) const {
    return wait_ == Wait::kNone && elapsed >= planned + delay_;
  }

  // The kill that was `planned` happened. If it is late by a whole period, the
  // rest of the plan is later, too: what was missed is not made up for.
  void Killed(absl::Duration planned, absl::Duration elapsed) {
    const absl::Duration late = elapsed - planned - delay_;
    if (late > every_) delay_ += late;
    wait_ = Wait::kVictim;
  }

 private:
  enum class Wait { kNone, kVictim, kProgress };

  const absl::Duration every_;
  absl::Duration delay_;  // By which the rest of the plan is later.
  Wait wait_ = Wait::kNone;
  uint64_t job_ = 0;
  int64_t most_ = 0;    // The most that was ever applied to that job.
  int64_t before_ = 0;  // The same when the victim was back.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_KILL_PACE_H_
