// Handles the pulls of one job. It answers each at once, with values or a
// reason why not; or it parks the pull until a clock, a view or a round
// releases it. A pull that has waited long enough is answered "wait".
//
// Decision logic only: messages and time in, actions out. Thread-compatible.
#ifndef EBB_SERVER_PULL_HANDLER_H_
#define EBB_SERVER_PULL_HANDLER_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/job_partitions.h"
#include "server/options.h"
#include "server/parked_pulls.h"
#include "server/ssp_gate.h"

namespace ebb::server {

// An answer with the same result for every partition that is asked for.
PullReply ReplyToAll(const ServerOptions& options, Generation generation,
                     const PullRequest& pull, PullResult result);

class PullHandler {
 public:
  // `job` is not owned, and outlives it.
  explicit PullHandler(const JobPartitions* job) : job_(*job) {}

  void Pull(uint64_t token, PullRequest pull, absl::Time now,
            ServerActions* out);
  // A worker says how far it is: releases the pulls that waited for it.
  void Learn(const WorkerStamp& stamp, absl::Time now, ServerActions* out);
  void SetView(const ViewUpdate& view, absl::Time now, ServerActions* out);
  // Answers what need not wait (any more). After every change of values, terms
  // or rounds.
  void Release(absl::Time now, ServerActions* out);
  // Answers all that wait with "wait".
  void Close(absl::Time now, ServerActions* out);
  // The scheduler does not answer requests of an earlier session.
  void OnNewSession() { asked_view_ = ViewNumber(); }

  // The same for those that have waited long enough.
  void Tick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const { return parked_.NextDeadline(); }

  // Traffic of the values answered since the last call.
  Traffic TakeTraffic() { return std::exchange(traffic_, {}); }
  // How long workers waited for a clock bound, all together, in waits that
  // ended since the last call. A worker that still computes, or has pushes
  // under way, does not wait: its clock is below that of its pull.
  absl::Duration TakeBoundWait() {
    return std::exchange(bound_wait_, absl::ZeroDuration());
  }
  // The largest lead of a clock over the slowest that it has let through.
  int64_t clock_lead() const { return clock_lead_; }

 private:
  // nullopt: it must wait.
  std::optional<PullReply> Try(const PullRequest& pull);
  bool Fill(const PullRequest& pull, const PullSegmentRequest& wanted,
            const Partition& values, RowRoom* room, PullSegment* segment) const;
  void Answer(uint64_t token, const PullRequest& pull, PullReply reply,
              ServerActions* out);
  void AskForView(ViewNumber joined, absl::Time now, ServerActions* out);
  // A worker whose clock is `clock` has this pull parked.
  void NoteWait(int64_t clock, absl::Time now, ParkedPull* parked) const;
  // The pull is not parked any more.
  void EndWait(const ParkedPull& parked, absl::Time now);
  void ReplyWait(const ParkedPull& parked, absl::Time now, ServerActions* out);

  const JobPartitions& job_;
  SspGate gate_;
  int64_t clock_lead_ = 0;
  Traffic traffic_;
  absl::Duration bound_wait_;
  // The newest view asked for, and when it may be asked for again.
  ViewNumber asked_view_;
  absl::Time ask_view_again_ = absl::InfinitePast();
  ParkedPulls parked_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PULL_HANDLER_H_
