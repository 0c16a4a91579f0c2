// Threads that run tasks in the order in which they come.
#ifndef EBB_SERVER_TASK_THREADS_H_
#define EBB_SERVER_TASK_THREADS_H_

#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"

namespace ebb::server {

// With one thread, tasks run one after the other. The callers bound how many
// there are. Thread-safe.
class TaskThreads {
 public:
  explicit TaskThreads(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Run(); });
    }
  }
  // Waits for tasks that run; those that wait are dropped.
  ~TaskThreads() { Stop(); }
  TaskThreads(const TaskThreads&) = delete;
  TaskThreads& operator=(const TaskThreads&) = delete;

  int size() const { return static_cast<int>(threads_.size()); }

  // After Stop() the task is dropped.
  void Add(std::function<void()> task) {
    MutexLock lock(&mu_);
    if (stopping_) return;
    tasks_.push_back(std::move(task));
    changed_.Signal();
  }

  void Stop() {
    std::deque<std::function<void()>> dropped;  // Destroyed without the lock.
    {
      MutexLock lock(&mu_);
      stopping_ = true;
      dropped.swap(tasks_);
      changed_.SignalAll();
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  void Run() {
    while (true) {
      std::function<void()> task;
      {
        MutexLock lock(&mu_);
        while (tasks_.empty() && !stopping_) changed_.Wait(&mu_);
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;  // Constant after construction.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_TASK_THREADS_H_
