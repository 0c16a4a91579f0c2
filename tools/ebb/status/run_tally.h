// Figures of a run that outlive the scheduler. The scheduler counts some of
// them from its own start only, so each time they fall, the tally keeps the
// former ones.
#ifndef EBB_TOOLS_EBB_STATUS_RUN_TALLY_H_
#define EBB_TOOLS_EBB_STATUS_RUN_TALLY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// Not thread-safe. It lacks what was counted between the last status and a
// scheduler's death; the audit, which counts in the partitions, has all.
class RunTally {
 public:
  void Add(const v1::JobStatus& status);
  // One that was made before the first status.
  void AddRollback() { ++rollbacks_; }

  // Puts the sums over all lives into `status`: staleness, shares, repeated
  // leases, backups, ends of epochs, traffic, scaled updates, waits for a bound
  // and workers' time; the largest clock lead, and the latest warning about
  // late updates.
  void Complete(v1::JobStatus* status) const;

  int64_t rollbacks() const { return rollbacks_; }

 private:
  std::vector<int64_t> staleness_;       // In the present life ...
  std::vector<int64_t> past_staleness_;  // ... and in those before.
  int64_t clock_lead_ = 0;
  v1::Traffic traffic_;
  v1::Traffic past_traffic_;
  v1::ScaledUpdates scaled_;
  v1::ScaledUpdates past_scaled_;
  // Absent: no scheduler said.
  std::optional<int64_t> bound_wait_us_;
  std::optional<int64_t> past_bound_wait_us_;
  std::optional<int64_t> worker_us_;
  std::optional<int64_t> past_worker_us_;
  uint64_t generation_ = 0;
  int32_t epochs_ = 0;
  int32_t best_ = -1;  // The epoch whose version is kept; -1: none.
  int64_t rollbacks_ = 0;
  int64_t nonfinite_rollbacks_ = 0;
  std::map<std::string, int64_t> shares_;
  std::map<std::string, int64_t> past_shares_;
  int64_t leases_repeated_ = 0;
  int64_t past_leases_repeated_ = 0;
  v1::JobStatus::Backups backups_;
  v1::JobStatus::Backups past_backups_;
  std::map<int32_t, int64_t> tails_;  // In microseconds, by epoch.
  int64_t slowest_batch_us_ = 0;
  std::string late_updates_;  // The latest warning about them.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_RUN_TALLY_H_
