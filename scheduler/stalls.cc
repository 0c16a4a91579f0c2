#include "scheduler/stalls.h"

#include <utility>

namespace ebb::scheduler {

Stalls::Verdict Stalls::RanOut(SessionId worker, int64_t ordinal,
                               absl::Time now) {
  Verdict verdict;
  std::erase_if(recent_,
                [&](const RunOut& one) { return now - one.at >= window_; });
  for (RunOut& other : recent_) {
    if (other.worker == worker || other.ordinal == ordinal) continue;
    verdict.to_blame = false;
    if (std::exchange(other.blamed, false)) {
      verdict.acquitted.push_back(other.ordinal);
    }
  }
  recent_.push_back({worker, ordinal, now, verdict.to_blame});
  return verdict;
}

}  // namespace ebb::scheduler
