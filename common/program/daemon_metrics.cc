#include "common/program/daemon_metrics.h"

#include <utility>

#include "common/metrics/process_metrics.h"
#include "common/status_macros.h"
#include "glog/logging.h"

namespace ebb {

absl::StatusOr<std::unique_ptr<metrics::MetricsServer>> ServeMetrics(
    const DaemonFlags& flags, const DaemonName& name,
    std::function<void(metrics::OpenMetrics*)> add) {
  if (!flags.metrics_port) return nullptr;
  const metrics::MetricsServerOptions options = {.host = flags.metrics_host,
                                                 .port = *flags.metrics_port};
  const auto text = [name, add = std::move(add)] {
    metrics::OpenMetrics text;
    metrics::AddProcess(name.program, name.version, &text);
    add(&text);
    return std::move(text).Text();
  };
  EBB_ASSIGN_OR_RETURN(auto server,
                       metrics::MetricsServer::Start(options, text));
  LOG(INFO) << "metrics at http://" << options.host << ":" << server->port()
            << "/metrics";
  return server;
}

}  // namespace ebb
