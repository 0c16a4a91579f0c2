// How the rounds of a job end whose steps need sums over the whole model: what
// partitions measure and apply, and the coordinator that decides in between
// (coordinator.h).
//
//   EBB_ASSIGN_OR_RETURN(const auto rule, RoundRuleOf(specification, plan));
//   std::vector<double> figures(rule->FigureCount());  // A server.
//   rule->Measure(scale, run, figures);
//   rule->Pack(&figures);
//   ... rule->coordinator().Next(place, before, all_figures) ...  // Scheduler.
//   EBB_ASSIGN_OR_RETURN(const auto step, rule->Read(operation));  // A server.
//   step->Apply(scale, operation_run);
#ifndef EBB_ALGORITHMS_ROUND_RULE_H_
#define EBB_ALGORITHMS_ROUND_RULE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/coordinator.h"

namespace ebb {

// A run of a partition that has the whole sum of a round, which an operation is
// to close (docs/decisions/0016-lbfgs.md): at most a block long, or all of the
// partition (MeasuresWhole).
struct MeasureRun {
  int64_t first = 0;  // Its place in the flat vector.
  std::span<const float> weights;
  std::span<const float> gradient_sum;
  std::span<const std::span<const float>> slots;
};
struct OperationRun {
  int64_t first = 0;
  std::span<const float> weights;
  std::span<const float> gradient_sum;
  std::span<float> out;  // Gets the new weights; no overlap.
  std::span<const std::span<const float>> slots;
  // The same, to be written; empty for those that it does not change.
  std::span<const std::span<float>> changed;
};

// The scheduler's result from the figures of all partitions. Immutable.
class RoundStep {
 public:
  virtual ~RoundStep() = default;
  // Returns whether it writes to the slot at all: else it may be shared.
  virtual bool Changes(int slot) const = 0;
  // `scale`: 1 / (the examples of the round). It turns sums into means.
  virtual void Apply(float scale, const OperationRun& run) const = 0;
};

// The mean gradient of a run, which has a sum.
inline std::vector<float> MeanOf(float scale, std::span<const float> sum) {
  std::vector<float> mean(sum.begin(), sum.end());
  for (float& value : mean) value *= scale;
  return mean;
}

// Ends the rounds of a job: on servers by partition, on the scheduler by its
// coordinator. Pure functions of their arguments and of the job. Thread-safe.
class RoundRule {
 public:
  virtual ~RoundRule() = default;

  // It lives as long as the rule.
  virtual const Coordinator& coordinator() const = 0;

  // Returns the names of the partitions' slots, which begin with zeros. Empty:
  // the slots are those of the job's optimizers.
  virtual std::vector<std::string> SlotNames() const { return {}; }
  // Returns how many figures a partition measures. The first is the sum of the
  // losses of the round's examples.
  virtual size_t FigureCount() const = 0;
  // Returns whether Measure gets all values and sums of a partition in one run,
  // and no slots.
  virtual bool MeasuresWhole() const { return false; }
  // Adds what the run contributes to all of them but the first. `scale` is that
  // of RoundStep::Apply.
  virtual void Measure(float scale, const MeasureRun& run,
                       std::span<double> figures) const = 0;
  // Makes what a partition measured into what it sends to the scheduler.
  virtual void Pack(std::vector<double>* /*figures*/) const {}
  // InvalidArgument or DataLoss: it is not an operation of this job.
  virtual absl::StatusOr<std::unique_ptr<const RoundStep>> Read(
      absl::string_view operation) const = 0;
};

}  // namespace ebb

#endif  // EBB_ALGORITHMS_ROUND_RULE_H_
