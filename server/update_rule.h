// How the values of a job's partitions begin and change.
#ifndef EBB_SERVER_UPDATE_RULE_H_
#define EBB_SERVER_UPDATE_RULE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/round_rule.h"
#include "common/ids.h"
#include "optimizer/gradient.h"
#include "optimizer/optimizer.h"
#include "protocol/trained_ranges.h"
#include "server/rows/row_options.h"

namespace ebb::server {

// A run of the flat parameter vector, at most a block long.
struct StepRun {
  int64_t first = 0;  // Its place in the flat vector.
  std::span<const float> weights;
  GradientCursor* gradient = nullptr;  // Sums; advanced by the run's length.
  std::span<float> out;                // Gets the new weights; no overlap.
  std::span<const std::span<float>> slots;  // Change in place.
};

// The place of a step's examples in the data, and their weight.
struct StepPlace {
  // Examples [begin, end) of the item; of a round, those of its first item.
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  // 1 / (the batch size, or the examples of the round): turns sums into means.
  float gradient_scale = 1;
  // The examples in the sum, and the batches that they make.
  int64_t examples = 1;
  int64_t batches = 1;
  int64_t step = 1;  // Number of the partition's step, from 1.
  // Updates that the partition took between the pull of the values from which
  // the gradient was computed and this step, its worker's own among them, and
  // those that it lost meanwhile (Partition::StalenessOf); of a round 0.
  int64_t staleness = 0;
};

// The rule of one job: initial values, slots and the optimizer's step. Pure
// functions of their arguments and of the job's specification. Thread-safe.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  // Returns the values that the job trains; null: all of them. Steps and slots
  // are of these alone. The rule owns it, and keeps it unchanged.
  virtual const TrainedRanges* trained() const { return nullptr; }

  // Arrays of optimizer state, each as long as the weights that are trained.
  virtual int SlotCount() const = 0;
  virtual void InitialWeights(int64_t first, std::span<float> out) const = 0;
  // Writes slot number `slot`, whose weights have their initial values.
  virtual void InitialSlot(int slot, int64_t first,
                           std::span<const float> weights,
                           std::span<float> out) const = 0;
  virtual void Step(const StepPlace& place, const StepRun& run) const = 0;
  // Returns the weight of a step's gradient (StepContext::late_factor), as it
  // is late: 1 or less.
  virtual double RateFactor(const StepPlace& /*place*/) const { return 1; }

  // For jobs whose rounds are closed by operations. Returns how many figures a
  // partition measures: the first is the sum of the losses of the round's
  // examples.
  virtual size_t FigureCount() const { return 1; }
  // Returns whether Measure gets all values and sums of a partition in one run,
  // and no slots.
  virtual bool MeasuresWhole() const { return false; }
  // Adds what the run contributes to all of them but the first.
  virtual void Measure(const StepPlace& /*place*/, const MeasureRun& /*run*/,
                       std::span<double> /*figures*/) const {}
  // Makes what a partition measured into what it sends to the scheduler.
  virtual void PackFigures(std::vector<double>* /*figures*/) const {}
  // InvalidArgument or DataLoss: it is not an operation of this job.
  virtual absl::StatusOr<std::unique_ptr<const RoundStep>> ReadOperation(
      absl::string_view /*operation*/) const {
    return absl::InvalidArgumentError(
        "rounds of this job are not closed by operations");
  }

  // Returns whether the least loss of a push is told of the job in place of the
  // sum: each is of another model.
  virtual bool KeepsLeastLoss() const { return false; }
  // Returns whether a push with a loss of exactly 0 had nothing to learn from,
  // so that its examples do not count in the mean.
  virtual bool ZeroLossIsNone() const { return false; }

  // For the plan's sparse table with this number: its options on a partition,
  // the optimizer that changes its rows, and the context of a step of them.
  virtual RowTableOptions RowOptions(int32_t table) const = 0;
  virtual std::shared_ptr<const Optimizer> RowOptimizer(
      int32_t table) const = 0;
  virtual StepContext RowStep(int32_t table, const StepPlace& place) const = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_UPDATE_RULE_H_
