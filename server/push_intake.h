// The order of the pushes of all workers to one job on one server: one
// PushSequencer for each worker, and what becomes of it when a worker dies.
#ifndef EBB_SERVER_PUSH_INTAKE_H_
#define EBB_SERVER_PUSH_INTAKE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "server/pending_push.h"
#include "server/push_sequencer.h"

namespace ebb::server {

// Thread-compatible.
class PushIntake {
 public:
  using Sequencer = PushSequencer<PendingPushPtr>;

  // Holds at most `window` pushes of a worker, and gives them up when no
  // message of the worker came for `hold`.
  PushIntake(int64_t window, absl::Duration hold)
      : window_(window), hold_(hold) {}

  // `room`: else it is refused, but for one that has no business here anyway.
  Sequencer::Outcome Arrive(const PendingPushPtr& push, absl::Time now,
                            bool room = true);

  // Returns the pushes that were held too long, so that those of a dead worker
  // do not take the room of the living. Also forgets workers that were long
  // silent; if one comes back, its first push is given up, and it begins a new
  // incarnation.
  std::vector<PendingPushPtr> GiveUp(absl::Time now);
  // When to give up next.
  absl::Time NextTick() const { return next_tick_; }

  // Everything held, in a fixed order; forgets all workers.
  std::vector<PendingPushPtr> Drain();

  // Workers it knows of.
  size_t workers() const { return workers_.size(); }

 private:
  struct Worker {
    Sequencer pushes;
    absl::Time heard;  // Its last push.
  };

  const int64_t window_;
  const absl::Duration hold_;
  absl::flat_hash_map<SessionId, Worker> workers_;
  absl::btree_set<SessionId> holding_;  // Workers with held pushes.
  absl::Time next_tick_ = absl::InfiniteFuture();
  bool forgot_ = false;  // A worker, ever.
  absl::Time forget_at_ = absl::InfiniteFuture();
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PUSH_INTAKE_H_
