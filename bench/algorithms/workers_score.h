// The result of a run of the section "Workers".
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_SCORE_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_SCORE_H_

#include <optional>
#include <string>

#include "tools/ebb/report/run_report.h"

namespace ebb::tools {

// This metric on the test data, as the job's last evaluation has it. nullopt:
// the job is not complete, or that evaluation failed or lacks the metric.
std::optional<double> WorkersScore(const RunReport& report,
                                   const std::string& metric);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_SCORE_H_
