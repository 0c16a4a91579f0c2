// The few threads that run a listener's admin handlers.
#ifndef EBB_RPC_INTERNAL_ADMIN_POOL_H_
#define EBB_RPC_INTERNAL_ADMIN_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"

namespace ebb::rpc::internal {

// Thread-safe.
class AdminPool {
 public:
  AdminPool(int threads, int queue) : bound_(queue) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Run(); });
    }
  }

  // Runs the posted tasks, and joins.
  ~AdminPool() {
    {
      MutexLock lock(&mu_);
      finishing_ = true;
      changed_.SignalAll();
    }
    for (std::thread& thread : threads_) thread.join();
  }

  // False: too much is waiting already.
  bool Post(std::function<void()> task) {
    MutexLock lock(&mu_);
    if (tasks_.size() == static_cast<size_t>(bound_)) return false;
    tasks_.push_back(std::move(task));
    changed_.Signal();
    return true;
  }

 private:
  void Run() {
    while (true) {
      std::function<void()> task;
      {
        MutexLock lock(&mu_);
        while (tasks_.empty() && !finishing_) changed_.Wait(&mu_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  const int bound_;
  Mutex mu_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_ADMIN_POOL_H_
