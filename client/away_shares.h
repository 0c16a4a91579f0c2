// Keeps what a worker computes for partitions that no server serves just now:
// it is kept as shares (local_shares.h), and pushed when a server answers again
// (docs/decisions/0007-local-steps.md).
//
// Thread-compatible.
#ifndef EBB_CLIENT_AWAY_SHARES_H_
#define EBB_CLIENT_AWAY_SHARES_H_

#include <cstdint>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/job_state.h"
#include "client/leased_items.h"
#include "client/pusher.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class AwayShares {
 public:
  // `job` is not owned, and outlives it.
  explicit AwayShares(JobState* job) : job_(*job) {}

  // Returns whether the batch that begins there can be kept for the partition.
  bool CanKeep(const LeasedItem& held, PartitionId p, int64_t begin) const;
  // Keeps the batch for the partitions that are away.
  void Keep(LeasedItem* held, const Pusher::Order& batch, ClientActions* out);
  // Pushes what is kept, of all items or one, to servers that answer; or to all
  // that it can be tried with, where nothing else would find out whether they
  // do again.
  void Send(bool try_all, absl::Time now);
  void Send(LeasedItem* held, bool try_all, absl::Time now);
  // The reply to a share, all of which is judged.
  void Judged(const Pusher::Push& push, const PushReply& reply,
              ClientActions* out);

 private:
  JobState& job_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_AWAY_SHARES_H_
