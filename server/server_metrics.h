// The metrics of a parameter server: docs/metrics.md.
#ifndef EBB_SERVER_SERVER_METRICS_H_
#define EBB_SERVER_SERVER_METRICS_H_

#include "common/metrics/open_metrics.h"
#include "server/server_shell.h"

namespace ebb::server {

// Adds the metrics of a started shell.
void AddServer(ServerShell* shell, metrics::OpenMetrics* text);

}  // namespace ebb::server

#endif  // EBB_SERVER_SERVER_METRICS_H_
