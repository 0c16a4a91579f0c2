#include "scheduler/job/stalls.h"

namespace ebb::scheduler {

Stalls::Verdict Stalls::RanOut(SessionId worker, Place place, absl::Time now) {
  Verdict verdict;
  std::erase_if(recent_,
                [&](const RunOut& one) { return now - one.at >= window_; });
  bool stalled = false;
  for (RunOut& other : recent_) {
    if (other.worker == worker || other.place.ordinal == place.ordinal)
      continue;
    stalled = true;
    if (!other.blamed || excused_[other.place.ordinal] >= kMostExcuses)
      continue;
    other.blamed = false;
    ++excused_[other.place.ordinal];
    verdict.acquitted.push_back(other.place);
  }
  if (stalled && excused_[place.ordinal] < kMostExcuses) {
    ++excused_[place.ordinal];
    verdict.to_blame = false;
  }
  recent_.push_back({worker, place, now, verdict.to_blame});
  return verdict;
}

}  // namespace ebb::scheduler
