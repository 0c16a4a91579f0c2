// The time by which a process decides and waits.
//
//   const absl::Time until = SteadyNow() + absl::Seconds(1);
//   while (!done_ && SteadyNow() < until) {
//     changed_.WaitFor(&mu_, until - SteadyNow());
//   }
#ifndef EBB_COMMON_STEADY_TIME_H_
#define EBB_COMMON_STEADY_TIME_H_

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace ebb {

// The wall clock as of the first call, going on steadily from there: a clock
// that is set back or forth while a process runs ends no lease, and makes no
// wait shorter or longer. Thread-safe. Use absl::Now() only for what people
// read and what other processes compare; lint_clocks knows these places.
inline absl::Time SteadyNow() {
  using Steady = std::chrono::steady_clock;
  static const absl::Time wall = absl::Now();
  static const Steady::time_point steady = Steady::now();
  return wall + absl::FromChrono(Steady::now() - steady);
}

}  // namespace ebb

#endif  // EBB_COMMON_STEADY_TIME_H_
