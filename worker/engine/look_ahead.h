// Values for a batch that is computed before the servers have the one before.
//
// A worker that pulls while it computes gets values that lack the batch which
// it computes, so each gradient would come a step late. With momentum a step is
// much like the step before. So the last step times the momentum brings the
// pulled values near to those that the servers will have
// (docs/decisions/0046-look-ahead.md).
#ifndef EBB_WORKER_ENGINE_LOOK_AHEAD_H_
#define EBB_WORKER_ENGINE_LOOK_AHEAD_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "client/actions.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb::worker {

// Parameters whose rule has a momentum.
struct MomentumRun {
  int64_t begin = 0;
  int64_t end = 0;
  float momentum = 0;

  friend bool operator==(const MomentumRun&, const MomentumRun&) = default;
};

// Keeps the values that were pulled last. Thread-compatible.
class LookAhead {
 public:
  // `plan` outlives it. Without runs, and in jobs whose values do not come late
  // or come rounded, it leaves values as they are.
  LookAhead(const JobPlan& plan, std::vector<MomentumRun> runs);

  // Assembles as client::Assemble, for a batch: `out` has the values that it is
  // to be computed from. Call it once for each pull, in their order.
  absl::Status Assemble(const client::PulledValues& values,
                        std::span<float> out);

  // Bytes of the values that it holds.
  int64_t bytes() const {
    return static_cast<int64_t>(last_.size() * sizeof(float));
  }

 private:
  // The state of a partition as the last pull had it.
  struct Seen {
    Term term;
    int64_t updates = -1;  // -1: there was none.
    // How many are new with each pull, as a rule; 0: unknown.
    int64_t step = 0;
  };

  void Advance(const client::PulledValues& values, PartitionId partition,
               std::span<float> out);
  // Notes the pull; returns the factor of the momentum for it, or 0.
  float ShareOf(const client::PulledValues& values, PartitionId partition);

  const JobPlan& plan_;
  std::vector<MomentumRun> runs_;
  std::vector<float> last_;  // The last values pulled; only the runs count.
  std::vector<Seen> seen_;   // By partition.
  Generation generation_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_LOOK_AHEAD_H_
