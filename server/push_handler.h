// Handles the pushes of one job. A worker's pushes come in the order of their
// sequence numbers (push_intake.h). Each segment waits in its partition's
// queue; at its turn it is judged by mark, and applied or not. When all its
// segments are answered, so is the push.
//
//   arrives ──> held (an earlier one is missing) ──> queued ──> judged
//                                                                 │
//   answered <── UpdateDone: values and mark change <── RunUpdate ┤
//      ^                                                          │
//      ├───────── at once, where it is little: the same <─────────┤
//      └───────── duplicate, gap, stale, no room, ... <───────────┘
//
// Decision logic only: messages and time in, actions out. Thread-compatible.
#ifndef EBB_SERVER_PUSH_HANDLER_H_
#define EBB_SERVER_PUSH_HANDLER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/cut.h"
#include "server/hosted_partition.h"
#include "server/job_partitions.h"
#include "server/pending_push.h"
#include "server/push_intake.h"
#include "server/recent_loss.h"

namespace ebb::server {

class PushHandler {
 public:
  // `job` is not owned, and outlives it.
  explicit PushHandler(JobPartitions* job)
      : job_(*job), intake_(job->options.push_window, job->options.push_hold) {}

  // `room`: OK, or ResourceExhausted, which says to people why the server has
  // no memory for the push. Returns false if the push belongs to another
  // generation or session, and refuses it.
  bool Push(uint64_t token, PushRequest push, const absl::Status& room,
            absl::Time now, ServerActions* out);

  enum class Done {
    kDropped,  // The values are no longer those it was for; it is answered.
    kApplied,
    kClosedRound,  // Applied, too.
    kWaits,        // For the operation of the open round.
  };
  // A running update has ended. Then RunQueue.
  Done UpdateDone(UpdateTask task, ServerActions* out);
  // Carries it out where its round is open and waits for it: of another round,
  // or a repeat, it is nothing.
  void Operate(HostedPartition* hosted, const RoundOperation& operation,
               ServerActions* out);
  // The term ends: what waits for an operation is as if it had not come.
  void DropHeld(HostedPartition* hosted);
  // Judges the queued segments of the partition until an update runs.
  void RunQueue(HostedPartition* hosted, ServerActions* out);
  // The partition's values go: refuses queued and running segments.
  void OnDropped(HostedPartition* hosted, ServerActions* out);
  // Refuses all that is held.
  void Close(ServerActions* out);

  // Gives up pushes that were held for too long.
  void Tick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const;

  // Statistics since the last call.
  bool has_statistics() const { return statistics_.updates > 0; }
  ServerStatistics TakeStatistics();
  // The losses that were reported before are reported again.
  void OnNewSession() { reported_losses_.clear(); }
  // So are those that were made anew, and the latest pushes are of a history
  // that is no more.
  void OnNewGeneration() {
    reported_losses_.clear();
    recent_loss_ = {};
  }

 private:
  void Admit(const PendingPushPtr& push, ServerActions* out);
  void Refuse(const PendingPushPtr& push, Verdict verdict, ServerActions* out);
  bool StartUpdate(HostedPartition* hosted,
                   const HostedPartition::QueuedSegment& next,
                   ServerActions* out);
  bool AtOnce(const UpdateTask& task) const;
  void Applied(HostedPartition* hosted,
               const HostedPartition::QueuedSegment& applied, int64_t mark,
               ServerActions* out);
  void JudgeBesideHeld(HostedPartition* hosted,
                       const HostedPartition::QueuedSegment& next,
                       ServerActions* out);
  void CountRefused(std::string why);
  void CountStaleness(int64_t updates);
  void CountTraffic(const PushRequest& push);

  JobPartitions& job_;
  PushIntake intake_;
  absl::Time operate_again_ = absl::InfiniteFuture();
  int64_t admitted_ = 0;  // Segments that are queued.
  ServerStatistics statistics_;
  RecentLoss recent_loss_;
  // By epoch: what was reported last.
  std::map<int32_t, EpochLoss> reported_losses_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PUSH_HANDLER_H_
