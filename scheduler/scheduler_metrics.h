// What a scheduler tells monitoring systems: docs/metrics.md.
#ifndef EBB_SCHEDULER_SCHEDULER_METRICS_H_
#define EBB_SCHEDULER_SCHEDULER_METRICS_H_

#include "common/metrics/open_metrics.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::scheduler {

// Of the status of all: jobs that have not ended each by itself, servers each
// by itself, workers, which come and go, by how many there are.
void AddScheduler(const v1::GetStatusResponse& status,
                  metrics::OpenMetrics* text);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_METRICS_H_
