// Steps of work that waits for something outside.
#ifndef EBB_WORKER_PREDICT_STEPPING_H_
#define EBB_WORKER_PREDICT_STEPPING_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb::worker {

// Calls `step`, which outlives it, at once and then now and then as long as it
// exists: a request may take longer than a lease lives.
class Stepping {
 public:
  explicit Stepping(absl::FunctionRef<void()> step) {
    step();
    thread_ = std::thread([this, step] {
      MutexLock lock(&mu_);
      while (!ended_) {
        if (!end_.WaitFor(&mu_, kInterval)) step();
      }
    });
  }
  ~Stepping() {
    {
      MutexLock lock(&mu_);
      ended_ = true;
      end_.SignalAll();
    }
    thread_.join();
  }
  Stepping(const Stepping&) = delete;
  Stepping& operator=(const Stepping&) = delete;

 private:
  static constexpr absl::Duration kInterval = absl::Milliseconds(250);
  Mutex mu_;
  CondVar end_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREDICT_STEPPING_H_
