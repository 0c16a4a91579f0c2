// How workers and servers divide training between them: when workers pull and
// push, what they do in between, and how servers take what is pushed.
//
// An algorithm is one object with a small interface. The cores of workers and
// servers know only the plan that it makes of a job (AlgorithmPlan). The
// mathematics is in its local rule, for the worker's computing thread, and in
// its factor, for the server's update rule (docs/decisions/0014-algorithms.md).
//
//   EBB_ASSIGN_OR_RETURN(auto algorithm, BuiltinAlgorithms().Create(config));
//   plan.algorithm = algorithm->Plan();
#ifndef EBB_ALGORITHMS_ALGORITHM_H_
#define EBB_ALGORITHMS_ALGORITHM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/local_rule.h"
#include "algorithms/row_rule.h"
#include "optimizer/optimizer.h"
#include "protocol/algorithm_plan.h"

namespace ebb {

// The keys of `algorithm` in a job file. Each field says which kinds read it.
struct AlgorithmConfig {
  std::string kind = "sgd";
  // All but sgd, dynsgd, local_sgd and diloco: batches that one push covers, at
  // least 1.
  int32_t push_every = 1;
  // downpour, adag: batches that are computed from one pull, at least 1.
  int32_t pull_every = 1;
  // aeasgd, eamsgd: what part of the way to each other worker and servers go at
  // a push, above 0 and at most 1.
  double moving_rate = 0.1;
  // eamsgd: what of the velocity remains per batch, in [0, 1).
  double momentum = 0.9;
  // staleness_aware: up to so many updates from a pull to its push, this one
  // counted, make whole steps; at least 1.
  double tolerated = 8;
  // geo: what part of a worker's change is pushed, above 0 and at most 1.
  double share = 1;
  // diloco: the rule of a worker's steps; null is refused, unless programs make
  // them by rules of their own.
  std::shared_ptr<const Optimizer> inner = nullptr;
  bool program_steps = false;
  // diloco: batches of a run, at least 1. In rounds a run is an item.
  int32_t period = 50;
  bool rounds = false;
  // diloco: the rate of step k of a run, from 0, is multiplied with
  // WarmUpFactor(k, run_warm_up).
  int32_t run_warm_up = 0;
};

// Grows evenly from 1 / warm_up to 1; 1 without one.
inline float WarmUpFactor(int64_t step, int64_t warm_up) {
  if (step + 1 >= warm_up) return 1;
  return static_cast<float>(step + 1) / static_cast<float>(warm_up);
}

// The kinds of pushes, and what servers make of each.
enum class PushKind {
  // A sum of gradients: a step of the job's optimizer by their mean.
  kGradients,
  // A change of the values, which they add unchanged. In rounds a push is a sum
  // of changes, each times its number of examples, and they add the mean.
  kChanges,
  // The way back from where local steps came to, times its number of examples:
  // a step of the job's optimizer by their mean, as if they were gradients. The
  // rate is that of the optimizer alone: a rollback's factor is for the
  // workers'
  // steps.
  kOuterGradients,
};

// Immutable, so thread-safe.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // The algorithm's part of the job's plan.
  virtual AlgorithmPlan Plan() const { return {}; }

  // --- On servers ------------------------------------------------------------
  // Returns the factor of a step's gradient. `staleness`, at least 0, is the
  // number of updates that the partition took between the pull of the values
  // that the pushed gradient was computed from and this step. In rounds it is
  // 0. A row of a sparse table has about the number of those updates that
  // changed the row. The factor is 1 for a staleness of 0. It does not grow.
  virtual double RateFactor(int64_t /*staleness*/) const { return 1; }
  // Returns whether the factor is ever another than 1.
  bool ScalesByStaleness() const { return RateFactor(int64_t{1} << 40) != 1; }

  // Returns what workers push.
  virtual PushKind Pushes() const { return PushKind::kGradients; }

  // --- On workers ------------------------------------------------------------
  // Makes the worker's work between a pull and a push, for a model of this many
  // parameters. Null: there is none, and the worker pushes the sum of each
  // batch's gradients.
  virtual std::unique_ptr<LocalRule> MakeLocalRule(
      int64_t /*parameters*/) const {
    return nullptr;
  }
  // The work on rows of sparse tables, in a job that trains some: then values
  // are pulled with each batch, and MakeRunRule makes the work on the dense
  // ones. Null: the algorithm does not go with such tables.
  virtual std::shared_ptr<const RowRule> MakeRowRule() const { return nullptr; }
};

// Not thread-safe while algorithms are added; the rest may then be called from
// many threads.
class AlgorithmRegistry {
 public:
  using Factory =
      std::function<absl::StatusOr<std::unique_ptr<const Algorithm>>(
          const AlgorithmConfig&)>;

  // Adds an algorithm. `summary` is one line for people. AlreadyExists: the
  // name is taken.
  absl::Status Register(absl::string_view kind, absl::string_view summary,
                        Factory factory);
  // InvalidArgument: there is none of that kind, or not with this
  // configuration.
  absl::StatusOr<std::unique_ptr<const Algorithm>> Create(
      const AlgorithmConfig& config) const;
  // In alphabetical order.
  std::vector<std::string> Kinds() const;

 private:
  struct Entry {
    std::string summary;
    Factory factory;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

// The algorithms of this folder. Where one is defined, its paper is named.
AlgorithmRegistry BuiltinAlgorithms();

}  // namespace ebb

#endif  // EBB_ALGORITHMS_ALGORITHM_H_
