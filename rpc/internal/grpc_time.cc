#include "rpc/internal/grpc_time.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

#include "absl/base/config.h"
#include "absl/synchronization/internal/create_thread_identity.h"
#include "absl/synchronization/internal/per_thread_sem.h"
#include "absl/synchronization/internal/waiter.h"
#include "absl/time/clock.h"
#include "common/steady_time.h"

namespace ebb::rpc::internal {

gpr_timespec DeadlineIn(absl::Duration limit) {
  if (limit == absl::InfiniteDuration()) {
    return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  }
  return gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_nanos(absl::ToInt64Nanoseconds(limit), GPR_TIMESPAN));
}

}  // namespace ebb::rpc::internal

// Another release has another Waiter, or may go by the steady clock itself:
// GrpcTimeTest tells.
#if ABSL_LTS_RELEASE_VERSION == 20220623

// Takes the place of the weak function of the same name, in which each wait of
// absl::Mutex and absl::CondVar ends. Returns false if `timeout` has passed,
// and otherwise takes one of what Waiter::Post has given.
extern "C" __attribute__((visibility("default"))) bool ABSL_INTERNAL_C_SYMBOL(
    AbslInternalPerThreadSemWait)(
    absl::synchronization_internal::KernelTimeout timeout) {
  using absl::synchronization_internal::Waiter;
  // Waiter's one member is private.
  auto* const given = reinterpret_cast<std::atomic<int32_t>*>(Waiter::GetWaiter(
      absl::synchronization_internal::GetOrCreateCurrentThreadIdentity()));
  static_assert(ABSL_WAITER_MODE == ABSL_WAITER_MODE_FUTEX &&
                sizeof(Waiter) == sizeof(*given));

  const bool ends = timeout.has_timeout();
  absl::Time until = absl::InfiniteFuture();
  if (ends) {
    until = ebb::SteadyNow() +
            (absl::TimeFromTimespec(timeout.MakeAbsTimespec()) - absl::Now());
  }
  for (;;) {
    int32_t count = given->load(std::memory_order_relaxed);
    while (count != 0) {
      if (given->compare_exchange_weak(count, count - 1,
                                       std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
    }
    timespec left = {};
    if (ends) {
      const absl::Duration rest = until - ebb::SteadyNow();
      if (rest <= absl::ZeroDuration()) return false;
      left = absl::ToTimespec(rest);
    }
    // The kernel measures the length of such a wait by the steady clock.
    syscall(SYS_futex, given, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0,
            ends ? &left : nullptr);
  }
}

#endif
