#include "client/job_limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/row_cache.h"

namespace ebb::client {

namespace {

std::string MiB(int64_t bytes) {
  return absl::StrCat((bytes + (1 << 20) - 1) >> 20, " MiB");
}

}  // namespace

JobLimits MostLimits(const ClientOptions& options, const JobPlan& plan) {
  return {options.batches_in_flight, options.prefetch,
          /*evaluates_beside=*/true, plan.consistency.local_steps > 0};
}

int64_t JobBytes(const ClientOptions& options, const JobPlan& plan,
                 const JobLimits& limits) {
  const int64_t copies =
      2 + limits.batches_in_flight +
      (limits.prefetch ? 1 + (options.assembles_next ? 1 : 0) : 0) +
      (limits.evaluates_beside && plan.evaluate_every > 0 ? 1 : 0) +
      (limits.goes_on && plan.consistency.local_steps > 0 ? 3 : 0);
  // The residuals, at as many places of two items; and what is left
  // and sent of the gradient that is divided.
  const int64_t left = KeepsResiduals(plan.filters.push)
                           ? 2 * (limits.batches_in_flight + 1) + 2
                           : 0;
  // The rules of two items, or of one run; the pulled values and the gradient
  // as vectors; and the values from which later batches are computed.
  const int64_t rules = plan.algorithm.runs ? 1 : 2;
  const int64_t local = plan.algorithm.has_local_rule()
                            ? rules * plan.algorithm.worker_vectors + 3
                            : 0;
  const int64_t encoded =
      plan.filters.push.kind == FilterKind::kNone
          ? 0
          : EncodedBytes(EncodingOf(plan.filters.push), plan.parameters);
  const int64_t bytes = (copies + left + local) * plan.parameters *
                            static_cast<int64_t>(sizeof(float)) +
                        encoded;
  return bytes + bytes / 8 + RowCache::MostBytes(plan);
}

std::optional<JobLimits> LimitsFor(const ClientOptions& options,
                                   const JobPlan& plan, int64_t held_bytes) {
  JobLimits limits = MostLimits(options, plan);
  const auto fits = [&] {
    return options.memory_bytes == 0 ||
           kProgramBytes + held_bytes + JobBytes(options, plan, limits) <=
               options.memory_bytes;
  };
  if (!fits()) limits.goes_on = false;
  if (!fits()) limits.evaluates_beside = false;
  while (!fits() && limits.batches_in_flight > 1) --limits.batches_in_flight;
  if (!fits()) limits.prefetch = false;
  if (!fits()) return std::nullopt;
  return limits;
}

int32_t MostBatchesPerPull(const ClientOptions& options, const JobPlan& plan) {
  const ConsistencyPlan& consistency = plan.consistency;
  if (consistency.kind != ConsistencyKind::kAsp ||
      consistency.max_staleness_updates >= 0 ||
      plan.algorithm.has_local_rule() || KeepsResiduals(plan.filters.push) ||
      options.memory_bytes > 0 ||
      plan.trained_tables() > 0) {  // Each batch has rows of its own.
    return 1;
  }
  // More batches would only wait longer when the network is full.
  const int64_t bytes = std::max<int64_t>(plan.parameters, 1) *
                        static_cast<int64_t>(sizeof(float));
  return static_cast<int32_t>(std::clamp<int64_t>(
      options.push_window_bytes / bytes, 1, options.batches_per_pull));
}

std::string WhyItDoesNotFit(const ClientOptions& options, const JobPlan& plan,
                            int64_t held_bytes) {
  const int64_t job = JobBytes(options, plan, JobLimits());
  return absl::StrCat(
      "it does not fit into this worker's --memory of ",
      MiB(options.memory_bytes), ": values and gradients of ", plan.parameters,
      RowCache::MostBytes(plan) > 0 ? " parameters, and rows that are kept,"
                                    : " parameters",
      " take ", MiB(job), ", data ", MiB(held_bytes), " and the program ",
      MiB(kProgramBytes), "; give it at least --memory ",
      (kProgramBytes + held_bytes + job + (1 << 20) - 1) >> 20, "MiB");
}

}  // namespace ebb::client
