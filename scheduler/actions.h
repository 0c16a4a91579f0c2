// The actions that the scheduler's core asks of its shell.
#ifndef EBB_SCHEDULER_ACTIONS_H_
#define EBB_SCHEDULER_ACTIONS_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/store/scheduler_store.h"

namespace ebb::scheduler {

// One accepted session stream; chosen by the shell, never reused.
using LinkId = StrongInt<struct LinkIdTag, uint64_t>;

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
