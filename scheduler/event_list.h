// Recent events in a cluster, for people: workers and servers that came and
// went, rollbacks, quarantines, evaluations. Decisions do not use them.
#ifndef EBB_SCHEDULER_EVENT_LIST_H_
#define EBB_SCHEDULER_EVENT_LIST_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "absl/time/time.h"
#include "scheduler/actions.h"

namespace ebb::scheduler {

struct PastEvent {
  int64_t number = 0;  // Numbers the events of the scheduler's life, from 1.
  absl::Time when;
  LogEvent what;
};

// The latest kMost of the scheduler's life. Thread-compatible.
class EventList {
 public:
  static constexpr size_t kMost = 256;
  // A text longer than this is cut: a program may have said anything.
  static constexpr size_t kMostTextBytes = 1024;

  // Ignores an event of no kind: it belongs to the log alone.
  void Add(const LogEvent& event, absl::Time now);
  // Oldest first.
  const std::deque<PastEvent>& all() const { return events_; }

 private:
  std::deque<PastEvent> events_;
  int64_t last_ = 0;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_EVENT_LIST_H_
