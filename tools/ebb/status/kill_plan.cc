#include "tools/ebb/status/kill_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

constexpr int kRoles = 3;
// How often a point is passed, at most, before it kills.
constexpr uint64_t kMostTimes = 8;

}  // namespace

KillPlan::KillPlan(absl::Duration every, uint64_t seed, int servers,
                   int workers, KillPointsByRole points)
    : every_(every),
      servers_(servers),
      workers_(workers),
      points_(std::move(points)),
      random_(seed) {
  Advance();
}

std::string KillPlan::PointOf(const std::vector<std::string>& points,
                              uint64_t most_times) {
  const uint64_t times = 1 + Draw(most_times);
  // Each role's second, fourth, sixth ... kill.
  const int64_t turn = count_ / kRoles;
  if (turn % 2 == 0 || points.empty()) return "";
  return absl::StrCat(points[turn / 2 % points.size()], ":", times);
}

void KillPlan::Advance() {
  constexpr uint64_t kSteps = 1000;
  const double within = static_cast<double>(Draw(kSteps)) / kSteps;
  next_.after = every_ * (static_cast<double>(count_) + within);
  switch (count_ % kRoles) {
    case 0:
      next_.daemon = WorkerName(static_cast<int>(Draw(workers_)));
      next_.then_at = PointOf(points_.workers, kMostTimes);
      break;
    case 1:
      next_.daemon = ServerName(static_cast<int>(Draw(servers_)));
      next_.then_at = PointOf(points_.servers, kMostTimes);
      break;
    default:
      next_.daemon = kSchedulerName;
      // Most of its points are reached once in a life that starts, then seldom.
      next_.then_at = PointOf(points_.scheduler, 1);
  }
  ++count_;
}

}  // namespace ebb::tools
