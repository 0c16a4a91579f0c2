// Finds what the section "Workers" requires of any number of workers.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_REQUIREMENTS_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_REQUIREMENTS_H_

#include <string>
#include <vector>

#include "bench/algorithms/algorithm_figures.h"

namespace ebb::tools {

// A demand on any number of workers, and whether these runs meet it.
struct WorkersRequirement {
  std::string name;
  std::string found;  // In figures; empty: these runs do not tell.
  bool met = false;
};

std::vector<WorkersRequirement> WorkersRequirements(
    const std::vector<AlgorithmFigures>& all);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_REQUIREMENTS_H_
