// The observer of a measurement, which may end it.
#ifndef EBB_BENCH_COMMON_WATCH_H_
#define EBB_BENCH_COMMON_WATCH_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace ebb::bench {

struct Watch {
  // Called with the present measurement; may be empty.
  std::function<void(const std::string&)> progress;
  // Asked between samples: true ends it. May be empty.
  std::function<bool()> stop;

  // Announces the next measurement. Cancelled: `stop` says so, and it must not
  // run.
  absl::Status Tell(const std::string& what) const;
  // Pairs count from 0; -1 warms up.
  absl::Status Tell(const std::string& what, int pair, int pairs) const;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_COMMON_WATCH_H_
