#include "server/write_pace.h"

#include <algorithm>

namespace ebb::server {

namespace {

// A rest, in times what was written before it took: one of 99 in a hundred
// pushes is to meet none, and of those that do most are not delayed.
constexpr int kRest = 7;
// The share of the time until they are due that waiting versions may take: the
// next may take longer than the last.
constexpr double kOfTheTime = 0.8;

}  // namespace

void WritePace::Wrote(int64_t bytes, absl::Time now) {
  if (rate_ == 0) return;
  // It pays no more than its own part: versions that something waited for must
  // not keep the others from ever being written.
  next_ = std::max(next_, now + absl::Seconds(static_cast<double>(bytes) /
                                              static_cast<double>(rate_)));
}

void WritePace::End(const Waiting& waiting, absl::Time now) {
  const absl::Duration took = now - began_;
  const int64_t left = std::max<int64_t>(waiting.partitions, 1);
  const absl::Duration spare =
      (waiting.due - now) * kOfTheTime / static_cast<double>(left) - took;
  next_ = std::max(next_, now + std::min(kRest * took, spare));
}

}  // namespace ebb::server
