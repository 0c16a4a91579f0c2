#include "scheduler/job/late_updates.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace ebb::scheduler {

namespace {

// Enough pushes for a share of 1 % to be no accident, few enough to be of now.
constexpr int64_t kLatestPushes = 1000;
constexpr double kMostToNothing = 0.01;

}  // namespace

bool LateUpdates::Heard(const ScaledUpdates& updates, int64_t partitions) {
  latest_ += updates;
  if (latest_.updates < kLatestPushes * partitions) return false;
  const auto most = kMostToNothing * static_cast<double>(latest_.updates);
  const bool too_many = static_cast<double>(latest_.to_nothing) > most;
  const bool news = too_many && !found_;
  found_ = too_many ? std::optional(latest_) : std::nullopt;
  latest_ = {};
  return news;
}

std::string LateUpdatesText(const ScaledUpdates& found) {
  return absl::StrFormat(
      "%.1f %% of the latest %d updates were scaled to nothing, to less than "
      "%g of a step: their gradients came too late. Take fewer workers "
      "(workers.max, or ebb scale), or smaller batches (train.batch), of "
      "which each takes less with it",
      100 * static_cast<double>(found.to_nothing) /
          static_cast<double>(found.updates),
      found.updates, ScaledUpdates::kNothing);
}

}  // namespace ebb::scheduler
