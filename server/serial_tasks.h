// Tasks of many threads, one at a time.
#ifndef EBB_SERVER_SERIAL_TASKS_H_
#define EBB_SERVER_SERIAL_TASKS_H_

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "common/mutex.h"

namespace ebb::server {

// Runs tasks one at a time, in the order in which they come. If no task runs,
// the thread that brings one runs it, and a few that come meanwhile; a thread
// of this object runs the rest. So no thread waits for another's task, as with
// a lock, and no other thread need wake up for a few tasks.
//
// The callers bound how many tasks there are. A task may add others.
// Thread-safe.
class SerialTasks {
 public:
  using Task = absl::AnyInvocable<void()>;
  // Tasks of others that a thread runs after its own.
  static constexpr int kMostOfOthers = 16;

  SerialTasks() : thread_([this] { Run(); }) {}
  ~SerialTasks() { Stop(); }
  SerialTasks(const SerialTasks&) = delete;
  SerialTasks& operator=(const SerialTasks&) = delete;

  // After Stop() the task is dropped.
  void Add(Task task) {
    {
      MutexLock lock(&mu_);
      if (stopping_) return;
      if (turn_ != Turn::kNobody) {
        tasks_.push_back(std::move(task));
        return;
      }
      turn_ = Turn::kCaller;
    }
    for (int more = kMostOfOthers;; --more) {
      task();
      task = nullptr;  // Destroying its state is part of the task.
      MutexLock lock(&mu_);
      if (more == 0 || tasks_.empty() || stopping_) {
        turn_ = tasks_.empty() ? Turn::kNobody : Turn::kThread;
        if (turn_ == Turn::kThread || stopping_) changed_.SignalAll();
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
  }

  // Waits for the task that runs; those that wait are dropped, before that. Not
  // of a task.
  void Stop() {
    std::deque<Task> dropped;
    {
      MutexLock lock(&mu_);
      stopping_ = true;
      dropped.swap(tasks_);
      changed_.SignalAll();
    }
    dropped.clear();  // Without the lock.
    {
      MutexLock lock(&mu_);
      while (turn_ == Turn::kCaller) changed_.Wait(&mu_);
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  enum class Turn { kNobody, kCaller, kThread };

  void Run() {
    while (true) {
      Task task;
      {
        MutexLock lock(&mu_);
        if (turn_ == Turn::kThread && tasks_.empty()) turn_ = Turn::kNobody;
        while (turn_ != Turn::kThread && !stopping_) changed_.Wait(&mu_);
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  Mutex mu_;
  CondVar changed_;
  // Not empty: some thread has the turn.
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  Turn turn_ ABSL_GUARDED_BY(mu_) = Turn::kNobody;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_SERIAL_TASKS_H_
