// Repeating a request that failed in passing.
#ifndef EBB_COMMON_OBJECTS_RETRIES_H_
#define EBB_COMMON_OBJECTS_RETRIES_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/steady_time.h"

namespace ebb {

struct RetryOptions {
  // No try begins later than this after the first has failed.
  absl::Duration patience = absl::Seconds(10);
  // The wait doubles from the first to the longest, less up to half at random.
  absl::Duration first_wait = absl::Milliseconds(50);
  absl::Duration longest_wait = absl::Seconds(2);
  // Is told what failed and why, once for a request, before a try that begins
  // so long after the first has failed. Null: no person waits. Any thread
  // that uses the store may call it.
  std::function<void(const std::string& why)> tell;
  absl::Duration tell_after = absl::Seconds(1);
  // For tests.
  std::function<void(absl::Duration)> wait = absl::SleepFor;
};

// The tries of one request:
//
//   Retries retries(options, seed);
//   do {
//     if (Try(&why)) return absl::OkStatus();
//   } while (retries.Again(why));
//
// Not thread-safe.
class Retries {
 public:
  Retries(const RetryOptions& options, uint64_t seed)
      : options_(options),
        next_wait_(options.first_wait),
        random_(static_cast<uint32_t>(seed) + 1) {}

  // Waits for the next try. Returns false if there is no time for one. `why`
  // tells people what was asked for, and why the last try failed.
  bool Again(const std::string& why) {
    const absl::Duration wait =
        next_wait_ * std::uniform_real_distribution<>(0.5, 1)(random_);
    const absl::Time next = SteadyNow() + wait;
    last_ = std::min(last_, SteadyNow() + options_.patience);
    if (next > last_) return false;
    if (options_.tell != nullptr && !told_ &&
        next >= last_ - options_.patience + options_.tell_after) {
      told_ = true;
      options_.tell(why);
    }
    options_.wait(wait);
    next_wait_ = std::min(next_wait_ * 2, options_.longest_wait);
    ++tries_;
    return true;
  }
  // From 1 on.
  int tries() const { return tries_; }

 private:
  const RetryOptions& options_;               // Outlives this.
  absl::Time last_ = absl::InfiniteFuture();  // Known after the first try.
  absl::Duration next_wait_;
  std::minstd_rand random_;
  int tries_ = 1;
  bool told_ = false;
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_RETRIES_H_
