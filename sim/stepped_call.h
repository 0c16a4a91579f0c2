// Runs work that blocks a step at a time, so that a simulation in one thread
// can hold it between any two of its requests.
#ifndef EBB_SIM_STEPPED_CALL_H_
#define EBB_SIM_STEPPED_CALL_H_

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace ebb::sim {

// The work has a stack of its own, in the thread of its owner: it runs when the
// owner steps, and the owner goes on when it pauses. So a run stays a function
// of its seed.
//
// One thread.
class SteppedCall {
 public:
  // The work begins with the first Step().
  explicit SteppedCall(std::function<void()> work);
  // The work has ended.
  ~SteppedCall();
  SteppedCall(const SteppedCall&) = delete;
  SteppedCall& operator=(const SteppedCall&) = delete;

  // By the owner: runs the work until it pauses or ends.
  void Step();
  bool done() const { return done_; }
  // By the work: returns with the next Step().
  void Pause();

 private:
  static void Begin(unsigned high, unsigned low);
  void SwitchTo(ucontext_t* from, ucontext_t* to, const void* stack,
                size_t bytes);

  const std::function<void()> work_;
  bool done_ = false;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t inside_;
  ucontext_t outside_;
  // The owner's stack, as a sanitizer tells it; else null.
  const void* outside_stack_ = nullptr;
  size_t outside_bytes_ = 0;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_STEPPED_CALL_H_
