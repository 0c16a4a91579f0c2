#include "bench/plane/link_schedule.h"

#include <algorithm>

namespace ebb::bench {

std::optional<int64_t> LinkSchedule::Enter(const LinkShape& shape,
                                           int64_t now_ns, int64_t bytes) {
  constexpr double kNanoseconds = 1e9;
  const auto rate = static_cast<double>(shape.bits_per_second) / 8;
  // Whatever the shape was before.
  const double waits =
      static_cast<double>(std::max<int64_t>(0, free_at_ns_ - now_ns)) /
      kNanoseconds;
  if (rate > 0 && waits * rate + static_cast<double>(bytes) >
                      static_cast<double>(queue_bytes_)) {
    return std::nullopt;
  }
  free_at_ns_ = std::max(free_at_ns_, now_ns);
  if (rate > 0) {
    free_at_ns_ +=
        static_cast<int64_t>(static_cast<double>(bytes) / rate * kNanoseconds);
  }
  // A lost packet took its time on the link, too.
  if (shape.loss > 0 &&
      std::uniform_real_distribution<double>(0, 1)(random_) < shape.loss) {
    return std::nullopt;
  }
  last_ns_ = std::max(last_ns_, free_at_ns_ + shape.round_trip_ns / 2);
  return last_ns_;
}

}  // namespace ebb::bench
