// Says when something that lasts is worth one more line in the log: at first,
// and then ever more rarely.
//
//   if (telling.Due(now)) Log("ps 1 cannot be reached");
//
// Thread-compatible.
#ifndef EBB_COMMON_RARE_TELLING_H_
#define EBB_COMMON_RARE_TELLING_H_

#include <algorithm>

#include "absl/time/time.h"

namespace ebb {

class RareTelling {
 public:
  // True for the first call, and for one after 10 s, 20 s, ... up to an hour
  // since the last that was true.
  bool Due(absl::Time now) {
    if (now < next_) return false;
    next_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
    return true;
  }

 private:
  static constexpr absl::Duration kFirstPause = absl::Seconds(10);
  static constexpr absl::Duration kLongestPause = absl::Hours(1);

  absl::Time next_ = absl::InfinitePast();
  absl::Duration pause_ = kFirstPause;
};

}  // namespace ebb

#endif  // EBB_COMMON_RARE_TELLING_H_
