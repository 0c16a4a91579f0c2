#include "tools/ebb/status/recovery_log.h"

#include <limits>

#include "tools/text/daemon_names.h"

namespace ebb::tools {

std::string DaemonOf(const v1::Recovery& recovery) {
  switch (recovery.kind()) {
    case v1::Recovery::KIND_WORKER:
      return recovery.worker();
    case v1::Recovery::KIND_SERVER:
      return ServerName(recovery.server());
    default:
      return kSchedulerName;
  }
}

namespace {

// When it was lost; that a lease ran out shows when the item is leased again.
absl::Time LostAt(const v1::Recovery& recovery) {
  return absl::FromUnixMicros(recovery.lost_unix_us() > 0
                                  ? recovery.lost_unix_us()
                                  : recovery.resumed_unix_us());
}

// A scheduler that only hears that training goes on has given no lease yet.
bool TakenUp(const v1::Recovery& recovery) {
  return recovery.kind() == v1::Recovery::KIND_SCHEDULER ||
         recovery.resumed_unix_us() > 0;
}

// An item that its worker had almost finished may have no example left to
// count.
std::pair<int64_t, int64_t> Order(const v1::Recovery& recovery) {
  return {recovery.counted_unix_us() > 0 ? recovery.counted_unix_us()
                                         : std::numeric_limits<int64_t>::max(),
          recovery.resumed_unix_us()};
}

}  // namespace

void RecoveryLog::Add(const v1::GetStatusResponse& status) {
  if (status.jobs().empty()) return;
  for (const v1::Recovery& one : status.jobs(0).recoveries()) {
    recoveries_[{status.up_since_unix_ms(), one.number()}] = one;
  }
}

std::optional<v1::Recovery> RecoveryLog::Find(const std::string& daemon,
                                              absl::Time begin,
                                              absl::Time end) const {
  const v1::Recovery* first = nullptr;
  for (const auto& [key, one] : recoveries_) {
    if (DaemonOf(one) != daemon || !TakenUp(one)) continue;
    const absl::Time lost = LostAt(one);
    if (lost < begin || lost >= end) continue;
    if (first == nullptr || Order(one) < Order(*first)) first = &one;
  }
  return first == nullptr ? std::nullopt : std::optional(*first);
}

void RecoveryLog::Complete(absl::Time submitted,
                           std::vector<PlannedEvent>* events) const {
  const auto time = [&](const PlannedEvent& event) {
    return submitted + absl::Seconds(event.seconds);
  };
  for (auto event = events->begin(); event != events->end(); ++event) {
    if (event->lost.empty()) continue;
    absl::Time end = absl::InfiniteFuture();
    for (auto next = std::next(event); next != events->end(); ++next) {
      if (next->lost != event->lost) continue;
      end = time(*next);
      break;
    }
    const auto found = Find(event->lost, time(*event), end);
    if (!found) continue;
    const auto since = [&](int64_t unix_us) {
      return unix_us == 0 ? std::optional<double>()
                          : absl::ToDoubleSeconds(
                                absl::FromUnixMicros(unix_us) - time(*event));
    };
    event->resumed_s = since(found->resumed_unix_us());
    event->recovery_s = since(found->counted_unix_us());
  }
}

}  // namespace ebb::tools
