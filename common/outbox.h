// Holds what a core wants done, between the lock under which it decides and the
// threads that do it.
//
//   Mutex mu_;
//   Core core_ ABSL_GUARDED_BY(mu_);
//   Outbox<Action> outbox_ ABSL_GUARDED_BY(mu_);
//
//   void OnEvent(Event event) {
//     MutexLock lock(&mu_);
//     core_.OnEvent(event, outbox_.actions());
//     outbox_.CarryOut(&mu_, std::identity(),
//                      [](std::vector<Action>& actions) { ... });
//   }
//
// Actions are carried out in the order of their events, without the lock. One
// thread at a time carries them out: any that brings an event. Meanwhile other
// threads give the core further events, and leave their actions to that thread.
#ifndef EBB_COMMON_OUTBOX_H_
#define EBB_COMMON_OUTBOX_H_

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"

namespace ebb {

// The owner's lock, which also guards the core, guards this object.
template <typename Action>
class Outbox {
 public:
  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // An event appends its actions here.
  std::vector<Action>* actions() { return &actions_; }

  // No action waits, and no thread carries any out.
  bool idle() const { return !carrying_ && actions_.empty(); }

  // Carries out all actions that wait, and those that come meanwhile. If
  // another thread is at it, that thread does so, and this call returns at
  // once. `mu` is the lock that guards this object. The call releases it
  // meanwhile, and holds it when it returns: then signal the threads that wait
  // for idle().
  //
  // `take` is called under the lock with the actions that wait, and makes a
  // batch of them. `carry_out` is called without the lock, with a reference to
  // that batch; it may bring events. The batch is destroyed without the lock.
  template <typename Take, typename Carry>
  void CarryOut(Mutex* mu, Take take, Carry carry_out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (carrying_) return;
    carrying_ = true;
    while (!actions_.empty()) {
      {
        auto batch = take(std::exchange(actions_, {}));
        mu->Unlock();
        carry_out(batch);
      }
      mu->Lock();
    }
    carrying_ = false;
  }

 private:
  std::vector<Action> actions_;
  bool carrying_ = false;
};

}  // namespace ebb

#endif  // EBB_COMMON_OUTBOX_H_
