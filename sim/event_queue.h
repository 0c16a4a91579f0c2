// Virtual time: tasks, run in the order of their times.
#ifndef EBB_SIM_EVENT_QUEUE_H_
#define EBB_SIM_EVENT_QUEUE_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace ebb::sim {

using Task = absl::AnyInvocable<void()>;

// If two tasks have the same time, the one that was added first runs first: so
// a run is a function of the added tasks. Thread-compatible.
class EventQueue {
 public:
  explicit EventQueue(absl::Time start) : now_(start) {}

  absl::Time now() const { return now_; }
  int64_t tasks_run() const { return tasks_run_; }
  bool empty() const { return heap_.empty(); }

  // At `time`, or now when that is past.
  void At(absl::Time time, Task task) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(tasks_.size());
      tasks_.push_back(std::move(task));
    } else {
      slot = free_.back();
      free_.pop_back();
      tasks_[slot] = std::move(task);
    }
    heap_.push_back({std::max(time, now_), next_++, slot});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }

  // Runs the next task; there is one.
  void RunOne() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Entry entry = heap_.back();
    heap_.pop_back();
    now_ = entry.time;
    ++tasks_run_;
    Task task = std::move(tasks_[entry.slot]);
    tasks_[entry.slot] = nullptr;
    free_.push_back(entry.slot);
    task();
  }

 private:
  struct Entry {
    absl::Time time;
    uint64_t order;
    uint32_t slot;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.time != b.time ? a.time > b.time : a.order > b.order;
  }

  absl::Time now_;
  uint64_t next_ = 0;
  int64_t tasks_run_ = 0;
  std::vector<Entry> heap_;
  std::vector<Task> tasks_;
  std::vector<uint32_t> free_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_EVENT_QUEUE_H_
