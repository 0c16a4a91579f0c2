// Which of a job's dense values are trained, if some of its tables are frozen
// (docs/decisions/0035-transfer-learning.md).
//
// Pushes, sums of gradients and slots of optimizers have the trained values
// alone, in the order of the job's vector: the trained vector.
//
//   the job's vector      | a a a | F F F F F | b b | F | c c c |
//   the trained vector    | a a a | b b | c c c |
//
// A partition has a run of both. Its run of the trained vector may be empty:
// then pushes to the partition carry its mark alone.
#ifndef EBB_PROTOCOL_TRAINED_RANGES_H_
#define EBB_PROTOCOL_TRAINED_RANGES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/ids.h"
#include "common/payload.h"
#include "protocol/plan.h"

namespace ebb {

// [first, last) of a vector.
struct FloatRange {
  int64_t first = 0;
  int64_t last = 0;
  int64_t size() const { return last - first; }
  friend bool operator==(const FloatRange&, const FloatRange&) = default;
};

// Immutable, so thread-safe.
class TrainedRanges {
 public:
  // `trained` ascends in the plan's vector and does not overlap.
  TrainedRanges(const JobPlan& plan, const std::vector<FloatRange>& trained);

  // Elements of the trained vector.
  int64_t floats() const { return floats_; }
  // The partition's run of the trained vector.
  FloatRange RunOf(PartitionId partition) const {
    return runs_[partition.value()];
  }
  // The parts of the partition that are trained, as ranges of the job's vector:
  // not empty, ascending, and as long together as its run.
  std::span<const FloatRange> PartsOf(PartitionId partition) const {
    return parts_[partition.value()];
  }
  // Returns the trained parts of the whole job. Some are neighbours.
  const std::vector<FloatRange>& parts() const { return all_; }

  // The trained part of float32 values of the whole job, without a copy.
  Payload TrainedOf(const Payload& values) const;
  std::vector<float> TrainedOf(std::span<const float> values) const;
  // Puts the trained vector into values of the whole job.
  void PutTrained(std::span<const float> trained,
                  std::span<float> values) const;

 private:
  int64_t floats_ = 0;
  std::vector<FloatRange> runs_;                // By partition.
  std::vector<std::vector<FloatRange>> parts_;  // By partition.
  std::vector<FloatRange> all_;
};
using TrainedRangesPtr = std::shared_ptr<const TrainedRanges>;

// The partition's run of what is pushed: of the trained vector, or of the
// plan's if `trained` is null.
FloatRange PushedRun(const JobPlan& plan, const TrainedRanges* trained,
                     PartitionId partition);

}  // namespace ebb

#endif  // EBB_PROTOCOL_TRAINED_RANGES_H_
