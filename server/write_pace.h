// When versions that nothing waits for may be written.
#ifndef EBB_SERVER_WRITE_PACE_H_
#define EBB_SERVER_WRITE_PACE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace ebb::server {

// Taking and writing a version wants a core, the disk and memory's bandwidth,
// which pushes want as well; all partitions one after the other would make
// pushes late for as long as that takes. So after each there is a rest, several
// times as long as it took, if all that wait have time for that; then it is
// few pushes that a version delays. (Databases spread their checkpoints for the
// same reason: checkpoint_completion_target of PostgreSQL.) And versions keep
// to a rate, if one is given. Decision logic only. Thread-compatible.
class WritePace {
 public:
  // How many partitions wait for a version, and when they would be late.
  struct Waiting {
    int64_t partitions = 0;
    absl::Time due = absl::InfiniteFuture();
  };

  // Bytes a second, on average; 0: no bound.
  explicit WritePace(int64_t rate) : rate_(rate) {}

  // So many bytes were written, of a version or of a move's copy.
  void Wrote(int64_t bytes, absl::Time now);
  void Begin(absl::Time now) { began_ = now; }
  // The last version that began is written; `waiting`: those that are left.
  void End(const Waiting& waiting, absl::Time now);
  // The time from which on the next may be written.
  absl::Time next() const { return next_; }

 private:
  const int64_t rate_;
  absl::Time began_;
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace ebb::server

#endif  // EBB_SERVER_WRITE_PACE_H_
