// A thread that runs tasks one after the other, at once or at a time.
#ifndef EBB_RPC_INTERNAL_MAILBOX_H_
#define EBB_RPC_INTERNAL_MAILBOX_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb::rpc::internal {

// Thread-safe. Tasks that are never run are destroyed by Finish, without the
// lock.
class Mailbox {
 public:
  using Task = std::function<void()>;
  using Time = std::chrono::steady_clock::time_point;
  using Timer = std::pair<Time, uint64_t>;

  Mailbox();
  // Finish() was called before, unless it is done here; not on its own thread.
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False, and nothing happens, once Finish was called.
  bool Post(Task task);
  // Runs the task after `delay`, unless it is cancelled or Finish comes first.
  Timer PostAfter(absl::Duration delay, Task task);
  void Cancel(const Timer& timer);

  // Runs the tasks posted before, drops the timers, and ends the thread.
  void Finish();

 private:
  void Run();
  // Returns false when the thread shall end.
  bool Next(Task* task);

  Mutex mu_;
  CondVar changed_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  std::map<Timer, Task> timers_ ABSL_GUARDED_BY(mu_);
  uint64_t next_timer_ ABSL_GUARDED_BY(mu_) = 0;
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // Joined by Finish.
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_MAILBOX_H_
