// The rules of messages that neither fields nor their bounds can say.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "protocol/evaluation_check.h"
#include "protocol/plan.h"
#include "rpc/internal/check.h"
#include "rpc/internal/message_rules.h"

namespace ebb::rpc::internal {

namespace {

constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();

// A partition of a message that has the record of its job.
absl::Status OfJob(absl::string_view field, PartitionId partition,
                   const JobRecord& record) {
  return InRange(field, partition.value(), 0, record.plan.partitions - 1);
}

absl::Status AreOfPartition(absl::string_view field, PartitionId partition,
                            const std::vector<RoundVersion>& versions) {
  for (const RoundVersion& version : versions) {
    if (version.key.partition == partition) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        field, " of partition ", partition.value(), " names one of partition ",
        version.key.partition.value()));
  }
  return absl::OkStatus();
}

}  // namespace

// --- Versions and plans ------------------------------------------------------

absl::Status Judge(const SkippedRange& range) {
  if (range.end > range.begin) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("SkippedRange [", range.begin, ", ", range.end, ") of ",
                   ToString(range.item), " is empty"));
}

absl::Status Judge(const RoundVersion& version) {
  if (version.rounds.open >= version.rounds.oldest) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "RoundVersion.open_round is ", version.rounds.open,
      ", must not be below oldest_round, ", version.rounds.oldest));
}

absl::Status Judge(const RollbackRecord& record) {
  std::vector<PartitionId> named;
  named.reserve(record.versions.size());
  for (const VersionKey& key : record.versions) named.push_back(key.partition);
  std::sort(named.begin(), named.end());
  const auto it = std::adjacent_find(named.begin(), named.end());
  if (it == named.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("RollbackRecord names partition ", it->value(), " twice"));
}

// An empty message is rather one without a plan than one without examples.
absl::Status JudgeMessage(const v1::Plan& message) {
  return Present("Plan.consistency", message.has_consistency());
}

// The arithmetic of JobPlan cannot overflow within the bounds of the fields and
// of shards().
absl::Status Judge(const JobPlan& plan) {
  EBB_RETURN_IF_ERROR(InRange(
      "Plan.examples / Plan.shard_size", plan.examples / plan.shard_size, 0,
      int64_t{std::numeric_limits<int32_t>::max()} - 1));
  EBB_RETURN_IF_ERROR(
      InRange("Plan.cut_floats", plan.cut_floats, 0, plan.block_floats));
  return plan.Validate();
}

// --- Servers -----------------------------------------------------------------

absl::Status Judge(const PartitionRegistration& partition) {
  return AreOfPartition("PartitionRegistration.stored", partition.partition,
                        partition.stored);
}

absl::Status Judge(const JobRegistration& job) {
  for (const PartitionRegistration& partition : job.partitions) {
    EBB_RETURN_IF_ERROR(OfJob("PartitionRegistration.partition",
                              partition.partition, *job.record));
  }
  return absl::OkStatus();
}

absl::Status Judge(const PartitionMarkReport& partition) {
  return AreOfPartition("PartitionMarkReport.stored", partition.partition,
                        partition.stored);
}

absl::Status Judge(const MovedIn& moved) {
  const size_t n = moved.job.partitions.size();
  if (n == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("MovedIn.job.partitions has ",
                                                 n, " entries, must have one"));
}

absl::Status Judge(const ScaledUpdates& scaled) {
  EBB_RETURN_IF_ERROR(
      InRange("ScaledUpdates.scaled", scaled.scaled, 0, scaled.updates));
  EBB_RETURN_IF_ERROR(
      InRange("ScaledUpdates.to_nothing", scaled.to_nothing, 0, scaled.scaled));
  // Factors are at most 1, and sums of them are rounded.
  if (scaled.factor_sum > 1 + 1.000001 * static_cast<double>(scaled.updates)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ScaledUpdates.factor_sum is ", scaled.factor_sum,
                     ", more than its ", scaled.updates, " updates"));
  }
  for (const auto& [field, sum] :
       {std::pair("factor_sum", scaled.factor_sum),
        std::pair("scaled_staleness", scaled.scaled_staleness)}) {
    if (std::isfinite(sum) && sum >= 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ScaledUpdates.", field, " is ", sum,
                     ", must be a number that is not negative"));
  }
  return absl::OkStatus();
}

absl::Status Judge(const Grant& grant) {
  for (const PartitionGrant& partition : grant.partitions) {
    EBB_RETURN_IF_ERROR(
        OfJob("PartitionGrant.partition", partition.partition, *grant.record));
  }
  return absl::OkStatus();
}

absl::Status Judge(const MoveIn& move) {
  return OfJob("MoveIn.partition", move.partition, *move.record);
}

absl::Status Judge(const RoundStatus& status) {
  return InRange("RoundStatus.closed_everywhere", status.closed_everywhere,
                 status.durable_everywhere, kAnyNumber);
}

// It has one operation, which a report has among others.
absl::Status JudgeMessage(const v1::ApplyOperation& message) {
  return NotNegative("ApplyOperation.operation.round",
                     message.operation().round());
}

// --- Workers -----------------------------------------------------------------

absl::Status Judge(const Lease& lease) {
  const JobRecord& job = *lease.record;
  if (!job.plan.HasItem(lease.item)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Lease.item is ", ToString(lease.item), ", which job ",
                     job.id.value(), " does not have"));
  }
  return AtMost("Lease.hints", static_cast<int64_t>(lease.hints.size()),
                job.plan.partitions);
}

absl::Status Judge(const EvaluationResult& result) {
  return InRange("EvaluationResult.correct", result.correct, -1,
                 result.examples);
}

namespace {

absl::Status CheckConfusion(const Figures& figures) {
  const size_t entries = figures.confusion.size();
  size_t classes = 0;
  while (classes * classes < entries) ++classes;
  if (classes * classes == entries) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("Figures.confusion has ", entries,
                   " entries, which is not the square of a number"));
}

absl::Status CheckCalibration(const Figures& figures) {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  for (const CalibrationBin& bin : figures.calibration) {
    EBB_RETURN_IF_ERROR(NotNegative("Figures.Bin.examples", bin.examples));
    if (share(bin.predicted) && share(bin.observed)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("Figures.Bin has the shares ", bin.predicted, " and ",
                     bin.observed, "; each must be from 0 to 1"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Judge(const Figures& figures) {
  EBB_RETURN_IF_ERROR(CheckConfusion(figures));
  EBB_RETURN_IF_ERROR(CheckCalibration(figures));
  for (const Figure& figure : figures.named) {
    if (IsFigureName(figure.name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("Figures.name must be 1 to ", kLongestFigureName,
                     " lower-case letters, digits and underscores"));
  }
  return absl::OkStatus();
}

}  // namespace ebb::rpc::internal
