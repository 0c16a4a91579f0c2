// The tables of the section "Workers" about one job.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_TABLES_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_TABLES_H_

#include <string>
#include <vector>

#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_runs.h"

namespace ebb::tools {

// The scores by the number of workers and what disturbs them. Columns 2 to 6
// are numbers.
struct WorkersTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
WorkersTable TableOf(const WorkersRuns& runs, const WorkersJob& job);

// The variants of a job that were run, in order.
std::vector<std::string> VariantsOf(const WorkersRuns& runs,
                                    const WorkersJob& job);
// Variants side by side, with a title. Empty: only one was run.
std::string VariantsTable(const WorkersRuns& runs, const WorkersJob& job);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_TABLES_H_
