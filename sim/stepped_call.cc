#include "sim/stepped_call.h"

#include <glog/logging.h>

#include <cstdint>
#include <utility>

#ifdef __SANITIZE_ADDRESS__
#define EBB_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EBB_ADDRESS_SANITIZER
#endif
#endif

#ifdef EBB_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace ebb::sim {

namespace {

// Ample for an operation of a store, also with a sanitizer.
constexpr size_t kStackBytes = size_t{1} << 20;

}  // namespace

SteppedCall::SteppedCall(std::function<void()> work)
    : work_(std::move(work)),
      stack_(std::make_unique_for_overwrite<std::byte[]>(kStackBytes)) {
  CHECK_EQ(getcontext(&inside_), 0);
  inside_.uc_stack.ss_sp = stack_.get();
  inside_.uc_stack.ss_size = kStackBytes;
  inside_.uc_link = nullptr;  // Begin() switches back by itself.
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&inside_, reinterpret_cast<void (*)()>(&SteppedCall::Begin), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

SteppedCall::~SteppedCall() { CHECK(done_) << "the work has not ended"; }

// makecontext() passes on ints only.
void SteppedCall::Begin(unsigned high, unsigned low) {
  auto* const call =
      reinterpret_cast<SteppedCall*>((uintptr_t{high} << 32) | low);
#ifdef EBB_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(nullptr, &call->outside_stack_,
                                  &call->outside_bytes_);
#endif
  call->work_();
  call->done_ = true;
#ifdef EBB_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(nullptr, call->outside_stack_,
                                 call->outside_bytes_);
#endif
  setcontext(&call->outside_);
}

void SteppedCall::SwitchTo(ucontext_t* from, ucontext_t* to,
                           [[maybe_unused]] const void* stack,
                           [[maybe_unused]] size_t bytes) {
#ifdef EBB_ADDRESS_SANITIZER
  void* own = nullptr;
  __sanitizer_start_switch_fiber(&own, stack, bytes);
#endif
  CHECK_EQ(swapcontext(from, to), 0);
#ifdef EBB_ADDRESS_SANITIZER
  const bool inside = from == &inside_;
  __sanitizer_finish_switch_fiber(own, inside ? &outside_stack_ : nullptr,
                                  inside ? &outside_bytes_ : nullptr);
#endif
}

void SteppedCall::Step() {
  SwitchTo(&outside_, &inside_, stack_.get(), kStackBytes);
}

void SteppedCall::Pause() {
  SwitchTo(&inside_, &outside_, outside_stack_, outside_bytes_);
}

}  // namespace ebb::sim
