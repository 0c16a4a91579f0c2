// Metrics that every process has: CPU, memory, files, start time.
#ifndef EBB_COMMON_METRICS_PROCESS_METRICS_H_
#define EBB_COMMON_METRICS_PROCESS_METRICS_H_

#include "absl/strings/string_view.h"
#include "common/metrics/open_metrics.h"

namespace ebb::metrics {

// Adds them under the names that Prometheus' client libraries use, from
// /proc/self; and ebb_build_info. Unreadable values are left out.
void AddProcess(absl::string_view program, absl::string_view version,
                OpenMetrics* text);

}  // namespace ebb::metrics

#endif  // EBB_COMMON_METRICS_PROCESS_METRICS_H_
