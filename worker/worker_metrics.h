// The metrics of a worker: docs/metrics.md.
#ifndef EBB_WORKER_WORKER_METRICS_H_
#define EBB_WORKER_WORKER_METRICS_H_

#include "client/client_shell.h"
#include "common/metrics/open_metrics.h"

namespace ebb::worker {

// `device_busy_seconds`: TrainingComputer::device_time.
void AddWorker(const client::ClientShell::Status& status,
               double device_busy_seconds, metrics::OpenMetrics* text);

}  // namespace ebb::worker

#endif  // EBB_WORKER_WORKER_METRICS_H_
