#include "server/optimizer/config.h"

#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"

namespace ebb::server {
namespace {

constexpr std::array kKinds = {
    OptimizerKind::kSgd,     OptimizerKind::kMomentum, OptimizerKind::kNesterov,
    OptimizerKind::kAdagrad, OptimizerKind::kRmsProp,  OptimizerKind::kAdam,
    OptimizerKind::kFtrl,    OptimizerKind::kAdditive,
};

absl::Status Wrong(absl::string_view field, double value,
                   absl::string_view right) {
  return absl::InvalidArgumentError(
      absl::StrCat("optimizer.", field, " is ", value, "; it must be ", right));
}

// The comparisons are written so that NaN fails them. The kernels compute in
// float: what is infinite or 0 there is no use here.
absl::Status CheckPositive(absl::string_view field, double value) {
  if (value >= std::numeric_limits<float>::min() &&
      value <= std::numeric_limits<float>::max()) {
    return absl::OkStatus();
  }
  return Wrong(field, value, "a number above 0");
}

absl::Status CheckNotNegative(absl::string_view field, double value) {
  if (value >= 0 && value <= std::numeric_limits<float>::max()) {
    return absl::OkStatus();
  }
  return Wrong(field, value, "a number of at least 0");
}

absl::Status CheckFraction(absl::string_view field, double value) {
  if (value >= 0 && static_cast<float>(value) < 1) return absl::OkStatus();
  return Wrong(field, value, "at least 0 and below 1");
}

}  // namespace

std::span<const OptimizerKind> AllOptimizerKinds() { return kKinds; }

absl::string_view OptimizerKindName(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return "sgd";
    case OptimizerKind::kMomentum:
      return "momentum";
    case OptimizerKind::kNesterov:
      return "nesterov";
    case OptimizerKind::kAdagrad:
      return "adagrad";
    case OptimizerKind::kRmsProp:
      return "rmsprop";
    case OptimizerKind::kAdam:
      return "adam";
    case OptimizerKind::kFtrl:
      return "ftrl";
    case OptimizerKind::kAdditive:
      return "additive";
  }
  return "unknown";
}

absl::StatusOr<OptimizerKind> ParseOptimizerKind(absl::string_view name) {
  for (OptimizerKind kind : kKinds) {
    if (OptimizerKindName(kind) == name) return kind;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "optimizer.kind is '", name, "'; it must be one of ",
      absl::StrJoin(kKinds, ", ", [](std::string* out, OptimizerKind kind) {
        absl::StrAppend(out, OptimizerKindName(kind));
      })));
}

bool TakesSchedule(OptimizerKind kind) {
  return kind != OptimizerKind::kFtrl && kind != OptimizerKind::kAdditive;
}

absl::Status OptimizerConfig::Validate() const {
  if (kind != OptimizerKind::kAdditive) {
    EBB_RETURN_IF_ERROR(CheckPositive("rate", rate));
  }
  switch (kind) {
    case OptimizerKind::kMomentum:
    case OptimizerKind::kNesterov:
      return CheckFraction("momentum", momentum);
    case OptimizerKind::kAdagrad:
      EBB_RETURN_IF_ERROR(
          CheckNotNegative("initial_accumulator", initial_accumulator));
      return CheckPositive("epsilon", epsilon);
    case OptimizerKind::kRmsProp:
      EBB_RETURN_IF_ERROR(CheckFraction("decay", decay));
      return CheckPositive("epsilon", epsilon);
    case OptimizerKind::kAdam:
      EBB_RETURN_IF_ERROR(CheckFraction("beta1", beta1));
      EBB_RETURN_IF_ERROR(CheckFraction("beta2", beta2));
      return CheckPositive("epsilon", epsilon);
    case OptimizerKind::kFtrl:
      EBB_RETURN_IF_ERROR(CheckNotNegative("beta", beta));
      EBB_RETURN_IF_ERROR(CheckNotNegative("l1", l1));
      return CheckNotNegative("l2", l2);
    case OptimizerKind::kSgd:
    case OptimizerKind::kAdditive:
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "optimizer.kind is ", static_cast<int>(kind), ", which ebb lacks"));
}

}  // namespace ebb::server
