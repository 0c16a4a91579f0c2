// How fast many workers are together, beside as many single ones.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_SPEED_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_SPEED_H_

#include <vector>

#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_requirements.h"
#include "bench/algorithms/workers_runs.h"

namespace ebb::tools {

// Empty: no run measured the job's speed.
std::vector<WorkersRequirement> SpeedRequirements(const WorkersRuns& runs,
                                                  const WorkersJob& job);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_SPEED_H_
