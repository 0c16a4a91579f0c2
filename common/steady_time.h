// The time by which a daemon decides.
#ifndef EBB_COMMON_STEADY_TIME_H_
#define EBB_COMMON_STEADY_TIME_H_

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace ebb {

// The wall clock as of the object's making, going on steadily from there: a
// clock that is set back or forth while a daemon runs ends no lease and stops
// no timer. Thread-safe.
class SteadyTime {
 public:
  absl::Time Now() const {
    return wall_ + absl::FromChrono(std::chrono::steady_clock::now() - steady_);
  }

 private:
  const absl::Time wall_ = absl::Now();
  const std::chrono::steady_clock::time_point steady_ =
      std::chrono::steady_clock::now();
};

}  // namespace ebb

#endif  // EBB_COMMON_STEADY_TIME_H_
