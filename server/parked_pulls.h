// Pulls that wait: for a clock, a view or a round. A worker has at most one.
#ifndef EBB_SERVER_PARKED_PULLS_H_
#define EBB_SERVER_PARKED_PULLS_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::server {

struct ParkedPull {
  uint64_t token;
  PullRequest request;
  absl::Time deadline;
  // Since then its worker has nothing else to do, and a clock bound holds the
  // pull. Infinite future: that is not so (yet).
  absl::Time waits_since = absl::InfiniteFuture();
};

// Keeps their order. Thread-compatible.
class ParkedPulls {
 public:
  void Park(ParkedPull pull) { pulls_.push_back(std::move(pull)); }

  std::optional<ParkedPull> TakeOf(SessionId worker) {
    const auto it = std::ranges::find_if(pulls_, [&](const ParkedPull& pull) {
      return pull.request.stamp.worker == worker;
    });
    if (it == pulls_.end()) return std::nullopt;
    ParkedPull pull = std::move(*it);
    pulls_.erase(it);
    return pull;
  }

  // Removes the pulls for which `take` returns true. `take` does not call back
  // into this object.
  template <typename Take>
  void TakeIf(Take take) {
    std::erase_if(pulls_, take);
  }

  template <typename Visit>
  void ForEach(Visit visit) {
    for (ParkedPull& pull : pulls_) visit(pull);
  }

  absl::Time NextDeadline() const {
    absl::Time next = absl::InfiniteFuture();
    for (const ParkedPull& pull : pulls_) next = std::min(next, pull.deadline);
    return next;
  }

 private:
  std::vector<ParkedPull> pulls_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PARKED_PULLS_H_
