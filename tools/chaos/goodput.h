// How much of what the machines could have computed was counted.
//
// Goodput as in Bamboo and its kin: useful work over possible work. Useful is
// an example counted in every partition, once. Possible is what the live
// workers could have computed at the rate of one undisturbed worker.
#ifndef EBB_TOOLS_CHAOS_GOODPUT_H_
#define EBB_TOOLS_CHAOS_GOODPUT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::chaos {

// Times are since the start of the run.
struct Goodput {
  absl::Duration begin, end;  // The part of the run that is measured.
  double rate = 0;            // Examples per second of one worker alone.
  // Time of all workers together, while they were alive.
  absl::Duration worker_time;
  int64_t counted = 0;  // Examples, in the partition that has the least.

  double possible() const { return rate * absl::ToDoubleSeconds(worker_time); }
  // 0 to about 1; above it by what the rate was measured too low (Doubt).
  double value() const {
    return possible() > 0 ? static_cast<double>(counted) / possible() : 0;
  }
  // Why the figure is none; empty: it may be one.
  std::string Doubt() const;
};

// When which worker was alive: from its first word to the scheduler to its end.
// Thread-compatible.
class WorkerSpans {
 public:
  // The worker is there, since `since`. Repeated for the same life it changes
  // nothing. `life` tells its lives apart.
  void Seen(absl::string_view worker, uint64_t life, absl::Duration since);
  // Its present life, if any was seen, is over.
  void Ended(absl::string_view worker, absl::Duration at);
  // Sum over all lives, within [begin, end).
  absl::Duration Sum(absl::Duration begin, absl::Duration end) const;

 private:
  struct Span {
    uint64_t life = 0;
    absl::Duration begin;
    absl::Duration end = absl::InfiniteDuration();
  };
  struct Worker {
    std::vector<Span> spans;
    absl::Duration last_end = -absl::InfiniteDuration();
  };
  std::map<std::string, Worker, std::less<>> workers_;
};

// The rate of one worker from how many examples were counted when: between the
// first and the last moment at which the count grew, so that how far the next
// batch is does not matter.
// Thread-compatible.
class RateMeter {
 public:
  void Add(absl::Duration at, int64_t counted);
  // Examples per second; nothing before the count grew twice.
  std::optional<double> rate() const;

 private:
  std::optional<std::pair<absl::Duration, int64_t>> first_;
  std::pair<absl::Duration, int64_t> last_;
  int64_t latest_ = 0;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_GOODPUT_H_
