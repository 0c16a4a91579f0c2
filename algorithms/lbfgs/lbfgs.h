// Limited-memory BFGS without gathering the vectors. See Dean et al. 2012,
// "Large scale distributed deep networks", section 4.2 (Sandblaster L-BFGS).
// The two-loop recursion works on coefficients instead of vectors: Chen, Wang
// and Zhou 2014, "Large-scale L-BFGS using MapReduce" (algorithm 3). The line
// search, a trial per round, is that of Lewis and Overton 2013, "Nonsmooth
// optimization via quasi-Newton methods" (algorithm 4.6).
//
// Each partition has of its part of the model, beside the values w that workers
// pull, these vectors, all of them slots (LbfgsSlots):
//
//   x, g           the newest accepted point and its gradient
//   d              the direction of the search from x; w = x + step d
//   s_i, y_i       up to `history` pairs: steps taken, changes of the gradient
//
// When it has the gradient of a round, at w, it measures: the loss, and dot
// products with what it has (LbfgsFigures). The coordinator adds these up and
// decides; what it decides is an LbfgsOperation, which each partition applies.
//
// Pure. The coordinator's state is in the operation: a few hundred numbers.
#ifndef EBB_ALGORITHMS_LBFGS_LBFGS_H_
#define EBB_ALGORITHMS_LBFGS_LBFGS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/coordinator.h"

namespace ebb {

inline constexpr int32_t kMostLbfgsHistory = 100;

struct LbfgsOptions {
  // Pairs that are kept. More follow the curvature better, and each takes two
  // vectors of the model's size. 1 to kMostLbfgsHistory.
  int32_t history = 10;
  // A trial must lower the objective by this share of what the slope promises:
  // c1 of the Wolfe conditions, above 0.
  double sufficient_decrease = 1e-4;
  // … and leave at most this share of the slope: c2, above c1 and below 1.
  double curvature = 0.9;
  // Trials of one search before the direction is given up. At least 1.
  int32_t trials = 20;
  // Length of the first step, and of the first after pairs were forgotten;
  // later searches begin at a step of 1.
  double first_step = 1;
  // The job ends where the gradient is at most this share as long as that of
  // the first values (as in LIBLINEAR), or nothing lower is found. 0: it makes
  // all rounds. At least 0 and below 1.
  double tolerance = 0;

  // InvalidArgument, naming the option.
  absl::Status Validate() const;
};

// Numbers of a partition's slots.
struct LbfgsSlots {
  static constexpr int kPoint = 0;
  static constexpr int kGradient = 1;
  static constexpr int kDirection = 2;
  static int Step(int32_t pair) { return 3 + 2 * pair; }
  static int Change(int32_t pair) { return 4 + 2 * pair; }
  static int Count(const LbfgsOptions& options) {
    return 3 + 2 * options.history;
  }
};

// Places in what a partition measures; of the gradient n at w, with the step
// s = w - x and the change y = n - g that the two would be if w was accepted.
struct LbfgsFigures {
  // The objective's loss over the round's examples: whole, not a part.
  static constexpr size_t kLoss = 0;
  static constexpr size_t kSlope = 1;           // g d
  static constexpr size_t kNewSlope = 2;        // n d
  static constexpr size_t kNewNorm = 3;         // n n
  static constexpr size_t kStepNorm = 4;        // s s
  static constexpr size_t kStepChange = 5;      // s y
  static constexpr size_t kChangeNorm = 6;      // y y
  static constexpr size_t kStepGradient = 7;    // s n
  static constexpr size_t kChangeGradient = 8;  // y n
  // From here on, of each pair i.
  static constexpr size_t kPairs = 9;
  static constexpr size_t kOldStepChange = 0;      // s_i y
  static constexpr size_t kOldChangeStep = 1;      // y_i s
  static constexpr size_t kOldChangeChange = 2;    // y_i y
  static constexpr size_t kOldStepGradient = 3;    // s_i n
  static constexpr size_t kOldChangeGradient = 4;  // y_i n
  static constexpr size_t kPerPair = 5;

  static size_t Count(const LbfgsOptions& options) {
    return kPairs + kPerPair * static_cast<size_t>(options.history);
  }
};

// The coordinator's knowledge after an operation.
struct LbfgsState {
  double objective = 0;      // At x.
  double gradient_norm = 0;  // There.
  // The pairs there are, oldest first, by their places.
  std::vector<int32_t> pairs;
  // By places, row after row: s_i y_j and y_i y_j. 0 where there is no pair.
  std::vector<double> step_change;
  std::vector<double> change_change;
  // The search from x: trials so far, the longest step known to be too short
  // (0: none) and the shortest known to be too long (0: none).
  int32_t trials = 0;
  double low = 0;
  double high = 0;
  int64_t accepted = 0;  // Points, the first among them.
  bool stalled = false;  // Nothing is found below x: w = x from now on.
  friend bool operator==(const LbfgsState&, const LbfgsState&) = default;
};

// The steps of each partition, in this order.
struct LbfgsOperation {
  int64_t round = 0;
  // The pair at this place becomes (w - x, n - g); -1: none does.
  int32_t pair = -1;
  // x = w, g = n.
  bool accept = false;
  // d = of_gradient g + the sum over the places i of of_steps[i] s_i +
  // of_changes[i] y_i.
  bool turn = false;
  double of_gradient = 0;
  std::vector<double> of_steps;
  std::vector<double> of_changes;
  // w = x + step d.
  double step = 0;
  LbfgsState state;       // After it.
  double first_norm = 0;  // The gradient's, in round 0.

  // Returns whether the job ends with it: w = x.
  bool Ends(const LbfgsOptions& options) const;

  bool Changes(int slot) const;

  std::string Encode() const;
  // DataLoss: it is not an operation; InvalidArgument: it has other options.
  static absl::StatusOr<LbfgsOperation> Decode(absl::string_view bytes,
                                               const LbfgsOptions& options);
  friend bool operator==(const LbfgsOperation&,
                         const LbfgsOperation&) = default;
};

// The operation of a round. `before` is null in round 0. `figures` are the sums
// over the partitions but for the loss. Loss and gradient are means over
// `place.examples`.
LbfgsOperation NextOperation(const LbfgsOptions& options,
                             const RoundPlace& place,
                             const LbfgsOperation* before,
                             const std::vector<double>& figures);

std::unique_ptr<const Coordinator> MakeLbfgsCoordinator(
    const LbfgsOptions& options);

}  // namespace ebb

#endif  // EBB_ALGORITHMS_LBFGS_LBFGS_H_
