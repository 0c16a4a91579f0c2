// The trials of a sweep as a table: for people, as CSV and as JSON.
#ifndef EBB_TOOLS_EBB_SWEEP_SWEEP_TABLE_H_
#define EBB_TOOLS_EBB_SWEEP_SWEEP_TABLE_H_

#include <string>
#include <vector>

#include "sweep/sweep.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

// "running", "complete", "stopped", "failed".
std::string StateText(const sweep::Sweep& sweep,
                      const std::vector<sweep::Trial>& trials, size_t index);

// A line for each trial, best first, at most `rows`; ends with a line break.
std::string TrialsTable(const sweep::Sweep& sweep,
                        const std::vector<sweep::Trial>& trials,
                        const Console& console, size_t rows);

// A line for each trial, by number. Absent values are empty.
std::string TrialsCsv(const sweep::Sweep& sweep,
                      const std::vector<sweep::Trial>& trials);

// {"sweep": …, "best": …, "trials": [{…, "set": {…}, "evaluations": […]}, …]}.
Json TrialsJson(const sweep::Sweep& sweep,
                const std::vector<sweep::Trial>& trials);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_SWEEP_TABLE_H_
