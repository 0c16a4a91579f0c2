// Which update rule a table has, and its constants.
#ifndef EBB_SERVER_OPTIMIZER_CONFIG_H_
#define EBB_SERVER_OPTIMIZER_CONFIG_H_

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::server {

enum class OptimizerKind {
  kSgd,
  kMomentum,
  kNesterov,
  kAdagrad,
  kRmsProp,
  kAdam,
  kFtrl,
  kAdditive,
};

// All of them, in the order above.
std::span<const OptimizerKind> AllOptimizerKinds();
// "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "ftrl",
// "additive".
absl::string_view OptimizerKindName(OptimizerKind kind);
// The kind of that name; InvalidArgument, listing the names, for another.
absl::StatusOr<OptimizerKind> ParseOptimizerKind(absl::string_view name);
// Whether the rule's rate may vary over the data. Not for ftrl, whose state
// is only meaningful under the one rate it was gathered with (its own rates
// fall per coordinate), nor for additive, which has no rate.
bool TakesSchedule(OptimizerKind kind);

// Each field says which kinds read it; the others ignore it. The formulas are
// in optimizer.h.
struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  // All but additive: the learning rate, above 0. What a schedule starts
  // from; ftrl's alpha.
  double rate = 0.01;
  // momentum, nesterov: what of the velocity remains per update, in [0, 1).
  // With many asynchronous workers, less: staleness adds momentum of its own
  // (Mitliagkas et al. 2016).
  double momentum = 0.9;
  // rmsprop: what of the mean square remains per update, in [0, 1).
  double decay = 0.9;
  // adam: what of the first and second moment remains, each in [0, 1).
  double beta1 = 0.9;
  double beta2 = 0.999;
  // adagrad, rmsprop, adam: added to the root that divides; above 0.
  double epsilon = 1e-8;
  // adagrad: the sum of squares to start from, at least 0. A larger one makes
  // first steps smaller.
  double initial_accumulator = 0.1;
  // ftrl: the paper's beta, at least 0; a larger one makes first steps smaller.
  double beta = 1;
  // ftrl: the paper's lambda_1, at least 0, which makes weights exactly 0, and
  // lambda_2, at least 0, which makes them smaller.
  double l1 = 0;
  double l2 = 0;

  // InvalidArgument naming the field, its value and what would be right.
  absl::Status Validate() const;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_OPTIMIZER_CONFIG_H_
