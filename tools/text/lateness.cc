#include "tools/text/lateness.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "protocol/effective_staleness.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

Json NumberOrNull(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

double SecondsOf(int64_t microseconds) {
  return static_cast<double>(microseconds) / 1e6;
}

}  // namespace

std::optional<double> MeanFactor(const v1::ScaledUpdates& scaled) {
  if (scaled.updates() == 0) return std::nullopt;
  return scaled.factor_sum() / static_cast<double>(scaled.updates());
}

std::optional<double> EffectiveStaleness(const v1::ScaledUpdates& scaled) {
  return ebb::EffectiveStaleness(scaled.factor_sum(),
                                 scaled.scaled_staleness());
}

std::optional<double> BoundWaitSeconds(const v1::JobStatus& job) {
  if (!job.has_bound_wait_us()) return std::nullopt;
  return SecondsOf(job.bound_wait_us());
}

// The two are measured by different daemons, so a short job may have more of
// the first.
std::optional<double> BoundWaitShare(const v1::JobStatus& job) {
  if (!job.has_bound_wait_us() || job.worker_us() <= 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(job.bound_wait_us()) /
                           static_cast<double>(job.worker_us()));
}

std::string ScaledText(const v1::ScaledUpdates& scaled) {
  if (scaled.scaled() == 0) return "";
  std::string text = absl::StrFormat(
      "by %.2f on average (%s of %s updates)", *MeanFactor(scaled),
      WithCommas(scaled.scaled()), WithCommas(scaled.updates()));
  if (scaled.to_nothing() > 0) {
    absl::StrAppend(&text, ", ", WithCommas(scaled.to_nothing()),
                    " of them to nothing");
  }
  if (const auto staleness = EffectiveStaleness(scaled)) {
    absl::StrAppendFormat(&text, "; effective staleness %.1f", *staleness);
  }
  return text;
}

std::string BoundWaitText(const v1::JobStatus& job) {
  const auto seconds = BoundWaitSeconds(job);
  if (!seconds) return "";
  std::string text =
      absl::StrFormat("workers waited %.1f s for others", *seconds);
  if (const auto share = BoundWaitShare(job)) {
    absl::StrAppendFormat(&text, ", %.1f %% of their time", 100 * *share);
  }
  return text;
}

void AddLateness(const v1::JobStatus& job, Json* json) {
  const v1::ScaledUpdates& scaled = job.scaled();
  Json updates;
  if (scaled.updates() > 0) {
    updates = Json::Object();
    updates["updates"] = scaled.updates();
    updates["scaled"] = scaled.scaled();
    updates["to_nothing"] = scaled.to_nothing();
    updates["mean_factor"] = NumberOrNull(MeanFactor(scaled));
    updates["effective_staleness"] = NumberOrNull(EffectiveStaleness(scaled));
  }
  (*json)["scaled_updates"] = std::move(updates);
  (*json)["bound_wait_seconds"] = NumberOrNull(BoundWaitSeconds(job));
  (*json)["worker_seconds"] =
      job.has_worker_us() ? Json(SecondsOf(job.worker_us())) : Json();
}

void AddTo(const v1::ScaledUpdates& some, v1::ScaledUpdates* sum) {
  sum->set_updates(sum->updates() + some.updates());
  sum->set_scaled(sum->scaled() + some.scaled());
  sum->set_to_nothing(sum->to_nothing() + some.to_nothing());
  sum->set_factor_sum(sum->factor_sum() + some.factor_sum());
  sum->set_scaled_staleness(sum->scaled_staleness() + some.scaled_staleness());
}

}  // namespace ebb::tools
