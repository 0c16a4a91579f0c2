// Counts the calls that a listener is answering and the handlers that run, over
// all ways on which calls reach it.
#ifndef EBB_RPC_INTERNAL_TRAFFIC_H_
#define EBB_RPC_INTERNAL_TRAFFIC_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"

namespace ebb::rpc::internal {

// Thread-safe.
class Traffic {
 public:
  explicit Traffic(int max_calls) : max_calls_(max_calls) {}

  // Begins a call whose handler is about to run.
  absl::Status Begin() {
    MutexLock lock(&mu_);
    if (stopping_) return absl::UnavailableError("the server is going");
    if (calls_ == max_calls_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the server is answering ", max_calls_, " calls: try again later"));
    }
    ++calls_;
    ++running_;
    return absl::OkStatus();
  }
  void HandlerReturned() {
    MutexLock lock(&mu_);
    if (--running_ == 0) changed_.SignalAll();
  }
  void CallEnded() {
    MutexLock lock(&mu_);
    --calls_;
  }
  void Stop() {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  void WaitForHandlers() {
    MutexLock lock(&mu_);
    while (running_ > 0) changed_.Wait(&mu_);
  }

 private:
  const int max_calls_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int calls_ ABSL_GUARDED_BY(mu_) = 0;
  int running_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_TRAFFIC_H_
