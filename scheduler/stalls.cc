#include "scheduler/stalls.h"

namespace ebb::scheduler {

Stalls::Verdict Stalls::RanOut(SessionId worker, int64_t ordinal,
                               absl::Time now) {
  Verdict verdict;
  std::erase_if(recent_,
                [&](const RunOut& one) { return now - one.at >= window_; });
  bool stalled = false;
  for (RunOut& other : recent_) {
    if (other.worker == worker || other.ordinal == ordinal) continue;
    stalled = true;
    if (!other.blamed || excused_[other.ordinal] >= kMostExcuses) continue;
    other.blamed = false;
    ++excused_[other.ordinal];
    verdict.acquitted.push_back(other.ordinal);
  }
  if (stalled && excused_[ordinal] < kMostExcuses) {
    ++excused_[ordinal];
    verdict.to_blame = false;
  }
  recent_.push_back({worker, ordinal, now, verdict.to_blame});
  return verdict;
}

}  // namespace ebb::scheduler
