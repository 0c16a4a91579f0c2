// The last few durations of something that happens again and again.
//
// Thread-compatible.
#ifndef EBB_CLIENT_RECENT_DURATIONS_H_
#define EBB_CLIENT_RECENT_DURATIONS_H_

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/time/time.h"

namespace ebb::client {

template <size_t kKept>
class RecentDurations {
 public:
  void Add(absl::Duration took) { last_[added_++ % kKept] = took; }
  // The figures below mean something.
  bool enough() const { return added_ >= kKept; }
  absl::Duration Median() const {
    std::array<absl::Duration, kKept> sorted = last_;
    std::ranges::nth_element(sorted, sorted.begin() + kKept / 2);
    return sorted[kKept / 2];
  }
  absl::Duration Shortest() const { return *std::ranges::min_element(last_); }
  absl::Duration Longest() const { return *std::ranges::max_element(last_); }

 private:
  std::array<absl::Duration, kKept> last_ = {};
  size_t added_ = 0;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_RECENT_DURATIONS_H_
