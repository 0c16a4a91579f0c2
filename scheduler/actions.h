// The actions that the scheduler's core asks of its shell, and the core's
// options.
#ifndef EBB_SCHEDULER_ACTIONS_H_
#define EBB_SCHEDULER_ACTIONS_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "algorithms/coordinator.h"
#include "common/ids.h"
#include "job/training_facts.h"
#include "protocol/messages.h"
#include "scheduler/store/scheduler_store.h"

namespace ebb::scheduler {

// One accepted session stream; chosen by the shell, never reused.
using LinkId = StrongInt<struct LinkIdTag, uint64_t>;

struct SchedulerOptions {
  SessionId session;  // Random for each life of the process; not 0.
  // Lease time: a worker without progress for this long loses its item. Default
  // 3 s. It must be longer than the machines or the network may stall; a dead
  // worker's item waits as long, unless its connection breaks.
  absl::Duration lease_ttl = absl::Seconds(3);
  // A "done" that the servers' marks do not confirm in this time is forgotten,
  // and the item leased again. Default 1 s: many times the servers'
  // report_interval (50 ms).
  absl::Duration confirm_timeout = absl::Seconds(1);
  // How long a starting scheduler waits for servers it knows of; and how long a
  // server may be away before others take its partitions, where they can. Give
  // more than a restart of a server takes. Default 60 s.
  absl::Duration takeover_after = absl::Seconds(60);
  // An evaluation that gives no result is begun again after this long. Give
  // several times the longest evaluation. Default 60 s.
  absl::Duration evaluation_timeout = absl::Seconds(60);
  // A server that is silent for this long may be replaced by another process
  // with its id. Until then, and for last_word after it came, the other is
  // refused. Default 5 s: longer than TransportOptions take to notice that a
  // machine is gone.
  absl::Duration server_ttl = absl::Seconds(5);
  // The last message of a silent server may still lie unread in a scheduler
  // that stood still itself. The scheduler waits this long for it. Default 1 s.
  absl::Duration last_word = absl::Seconds(1);
  // A partition's move is given up after this long without progress of the
  // target, and begun again. Default 3 s: longer than a disk or network stalls.
  absl::Duration move_timeout = absl::Seconds(3);
  // A worker that would be idle gets an item of another if that ends the work
  // earlier by at least this much; see backups.h. Default 50 ms; a day or more
  // turns it off.
  absl::Duration backup_gain = absl::Milliseconds(50);
  // Servers that must be there before the partitions of a job are placed.
  // Default 1; give the servers of the cluster, or the first gets everything.
  int32_t min_servers = 1;
  // Makes what decides how the rounds of a job end that are closed by
  // operations; null: none can be.
  std::function<absl::StatusOr<std::shared_ptr<const Coordinator>>(
      const JobRecord&)>
      coordinator;
  // Returns the job with that many of its epochs, for operations that end it;
  // null: none is believed to.
  std::function<absl::StatusOr<JobRecord>(const JobRecord&, int32_t epochs)>
      shortened;
  // Returns a job's facts about its training loss; null: they are unknown.
  std::function<absl::StatusOr<job::TrainingFacts>(const JobRecord&)>
      training_facts;
};

// --- Actions, to be carried out in their order -------------------------------

// Durable before any later action of the same list begins.
struct Persist {
  std::vector<StoreWrite> writes;
};
struct SendServer {
  LinkId link;
  SchedulerToServer message;
};
struct SendWorker {
  LinkId link;
  SchedulerToWorker message;
};
// Its session has another link now. A worker that is still on this link
// registers anew.
struct CloseWorker {
  LinkId link;
};
// Events that an operator may look for later; see event_list.h.
enum class EventKind {
  kLogOnly,
  kWorkerUp,
  kWorkerLost,    // Its connection broke.
  kWorkerLeft,    // In good order.
  kWorkerSilent,  // Its lease ran out.
  kServerUp,
  kServerAway,
  kServerLeft,
  kMoved,  // A partition changed its server.
  kJobSubmitted,
  kJobPaused,
  kJobGoesOn,
  kJobScaled,
  kJobChanged,
  kJobRolledBack,
  kJobReopened,
  kJobComplete,
  kJobCancelled,
  kJobForgotten,
  kQuarantine,
  kSkip,
  kEvaluation,
};
// Something an operator should read.
struct LogEvent {
  std::string text;
  EventKind kind = EventKind::kLogOnly;
  JobId job;            // 0: it is about no job, or about all.
  std::string subject;  // The daemon's name; empty: it is about the job.
};
using SchedulerAction =
    std::variant<Persist, SendServer, SendWorker, CloseWorker, LogEvent>;
using SchedulerActions = std::vector<SchedulerAction>;

// Draws the numbers that are never used twice: terms, generations, views, job
// ids, snapshots. max(last + 1, wall clock in µs), so not even a scheduler
// whose store was lost or is an older copy draws one again (docs/protocol.md).
// The caller persists `last()` before a number leaves the process.
class NumberSource {
 public:
  uint64_t Draw(absl::Time now) {
    const int64_t wall = absl::ToUnixMicros(now);
    last_ =
        std::max(last_ + 1, static_cast<uint64_t>(std::max<int64_t>(wall, 0)));
    return last_;
  }
  // False of a number that no clock can have come to: it was not drawn but
  // damaged, and above it there might be none.
  static bool Plausible(uint64_t number) { return number <= kMost; }
  // A number met elsewhere: it was drawn, so later ones are above it.
  void Met(uint64_t number) {
    if (!Plausible(number) || number <= last_) return;
    last_ = number;
    surprised_ = true;
  }
  // One that was drawn and stored: no surprise.
  void Remember(uint64_t number) { last_ = std::max(last_, number); }
  // Returns whether the scheduler met a number that another scheduler drew and
  // that it does not remember. Then its store is an older copy, or was lost.
  bool surprised() const { return surprised_; }
  uint64_t last() const { return last_; }

 private:
  static constexpr uint64_t kMost = uint64_t{1} << 62;  // In 146,000 years.

  uint64_t last_ = 0;
  bool surprised_ = false;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ACTIONS_H_
