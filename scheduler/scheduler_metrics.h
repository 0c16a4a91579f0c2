// The metrics of a scheduler: docs/metrics.md.
#ifndef EBB_SCHEDULER_SCHEDULER_METRICS_H_
#define EBB_SCHEDULER_SCHEDULER_METRICS_H_

#include "common/metrics/open_metrics.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::scheduler {

// Adds metrics from the status of all: each job that has not ended, each
// server, and the number of workers, as these come and go.
void AddScheduler(const v1::GetStatusResponse& status,
                  metrics::OpenMetrics* text);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_METRICS_H_
