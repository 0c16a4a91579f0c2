// --metrics-port of a daemon.
#ifndef EBB_COMMON_PROGRAM_DAEMON_METRICS_H_
#define EBB_COMMON_PROGRAM_DAEMON_METRICS_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/metrics/metrics_server.h"
#include "common/metrics/open_metrics.h"
#include "common/program/daemon_flags.h"

namespace ebb {

// Serves what `add` adds, and what every process tells, where the flags say.
// Null: they say nowhere. `add` is called on the server's thread until the
// object is destroyed.
absl::StatusOr<std::unique_ptr<metrics::MetricsServer>> ServeMetrics(
    const DaemonFlags& flags, const DaemonName& name,
    std::function<void(metrics::OpenMetrics*)> add);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_DAEMON_METRICS_H_
