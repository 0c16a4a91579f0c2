// How many items of a round a worker holds at a time.
//
// A short batch ends before the lease of the item after the next has come, and
// what is held is read ahead. So a worker with short batches holds more. But
// what one worker holds others cannot take: at the end of a round they would
// wait for it. So it holds at most a quarter of what it did in the last round.
//
// Thread-compatible.
#ifndef EBB_CLIENT_ROUND_SHARE_H_
#define EBB_CLIENT_ROUND_SHARE_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "client/recent_durations.h"

namespace ebb::client {

class RoundShare {
 public:
  // An item of the round was leased.
  void Leased(int64_t round) {
    if (round != round_) {
      last_ = round == round_ + 1 ? items_ : 0;
      round_ = round;
      items_ = 0;
    }
    ++items_;
  }
  void Computed(absl::Duration took) { batches_.Add(took); }

  // `usual`: how many a worker holds where nothing speaks for more.
  int32_t ItemsToHold(int32_t usual) const {
    if (!batches_.enough() || batches_.Median() > kShort) return usual;
    const int64_t most = std::min<int64_t>(usual + kMostMore, last_ / kPart);
    return std::max(usual, static_cast<int32_t>(most));
  }

 private:
  static constexpr absl::Duration kShort = absl::Milliseconds(10);
  static constexpr int32_t kMostMore = 2;
  static constexpr int64_t kPart = 4;  // A quarter.

  int64_t round_ = -1;
  int64_t items_ = 0;  // Leased in round_.
  int64_t last_ = 0;   // Leased in the round before.
  RecentDurations<9> batches_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ROUND_SHARE_H_
