// Decides how the rounds of a job end whose steps need sums over the whole
// model: one operation for all partitions, made of what each partition
// measures.
//
// The vectors stay where they are. Each partition that has the whole sum of a
// round measures it. The scheduler makes the round's operation of all these
// figures and of the operation before, which carries all other state. Each
// partition applies the operation once (docs/decisions/0016-lbfgs.md).
#ifndef EBB_ALGORITHMS_COORDINATOR_H_
#define EBB_ALGORITHMS_COORDINATOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// A round whose operation is to be made.
struct RoundPlace {
  int64_t round = 0;
  bool last = false;     // The job's last: no other follows.
  int64_t examples = 0;  // Examples in the round.
};

// The loss of a growing model on the examples that are kept back.
struct Validation {
  int64_t trees = 0;  // The trees whose loss was measured last.
  double loss = 0;    // Their mean loss.
  // The number of trees with the smallest loss so far, and that loss.
  int64_t best_trees = 0;
  double best_loss = 0;
  // Training ends after so many more trees, unless one has a smaller loss.
  int64_t left = 0;
  // For people: "of 5 trees the first 3 have the smallest validation loss".
  std::string text = {};
  friend bool operator==(const Validation&, const Validation&) = default;
};

// Pure functions of their arguments and of the job, so that any scheduler can
// make the operation again, to the bit. Thread-safe.
class Coordinator {
 public:
  virtual ~Coordinator() = default;

  // `before` is the operation of the round before; empty in round 0. `figures`
  // has those of each partition, in their order. InvalidArgument: these are not
  // what partitions measure, or `before` is none of this job's operations.
  virtual absl::StatusOr<std::string> Next(
      const RoundPlace& place, absl::string_view before,
      const std::vector<std::vector<double>>& figures) const = 0;

  // Returns whether the job ends with the round that the operation closes,
  // though its plan has more. InvalidArgument or DataLoss: it is none of this
  // job's operations.
  virtual absl::StatusOr<bool> Ends(absl::string_view /*operation*/) const {
    return false;
  }

  // The sum of the losses of the round's examples, each at the values from
  // which it was computed; nullopt: the operation does not say.
  virtual std::optional<double> LossSum(absl::string_view /*operation*/) const {
    return std::nullopt;
  }

  // nullopt: the job keeps no examples back, or the operation does not say.
  virtual std::optional<Validation> ValidationOf(
      absl::string_view /*operation*/) const {
    return std::nullopt;
  }

  // One line for people.
  virtual std::string Describe(absl::string_view operation) const = 0;
};

// InvalidArgument: `round` is not the one before that of the place.
absl::Status CheckRoundBefore(const RoundPlace& place, int64_t round);

// The sums over the partitions of what each of them measured: `count` figures.
// Every partition knows all of the figure at `whole`, which is not summed.
// InvalidArgument: a partition measured another number of figures.
absl::StatusOr<std::vector<double>> SumFigures(
    const std::vector<std::vector<double>>& figures, size_t count,
    size_t whole);

}  // namespace ebb

#endif  // EBB_ALGORITHMS_COORDINATOR_H_
