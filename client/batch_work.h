// The batches of one job: which is computed next and from what, and what is
// pushed of it.
//
// Thread-compatible.
#ifndef EBB_CLIENT_BATCH_WORK_H_
#define EBB_CLIENT_BATCH_WORK_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/away_shares.h"
#include "client/computation.h"
#include "client/item_leases.h"
#include "client/job_state.h"
#include "client/leased_items.h"
#include "client/pull_ahead.h"
#include "client/server_reach.h"

namespace ebb::client {

// Computers read a few batches ahead.
inline constexpr size_t kMostAhead = 2;

class BatchWork {
 public:
  // None is owned, and all outlive it.
  BatchWork(JobState* job, ServerReach* reach, PullAhead* pulls,
            ItemLeases* leases, AwayShares* shares)
      : job_(*job),
        reach_(*reach),
        pulls_(*pulls),
        leases_(*leases),
        shares_(*shares) {}

  // The factor is that of the present generation's RollbackRecord.
  void set_rate_factor(double factor) { rate_factor_ = factor; }
  // Begins the next batch, to be computed or passed over. False: there is none,
  // or a server is awaited.
  bool Start(absl::Time now, ClientActions* out);
  // `batch` was under way, of this job.
  void OnComputed(const Computation::Batch& batch, const ComputeResult& result,
                  absl::Time now, ClientActions* out);

 private:
  // True if the batch is worth computing: where a server refused or did not
  // answer, the same batch would be computed again and again.
  bool Reachable(const LeasedItem& held, int64_t begin, absl::Time now) const;
  // Returns the end of what is pushed from `begin` on, before what is skipped.
  int64_t PushEnd(const LeasedItem& held, int64_t begin) const;
  // Computes the next batch of what is pushed from `begin` on.
  void Compute(const LeasedItem& held, int64_t begin, absl::Time now,
               ClientActions* out);
  // False: no server is known for it.
  bool PushSkipped(LeasedItem* held, int64_t begin);
  bool Push(LeasedItem* held, const LeasedItems::Run& run,
            const ComputeResult& result, const PulledValues* values, bool skip);

  JobState& job_;
  ServerReach& reach_;
  PullAhead& pulls_;
  ItemLeases& leases_;
  AwayShares& shares_;
  double rate_factor_ = 1;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_BATCH_WORK_H_
