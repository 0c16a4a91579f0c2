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

// Returns what is ranked: the trials, or with folds the settings
// (sweep/folds.h) as one trial each. All functions here take the trials
// themselves.
std::vector<sweep::Trial> RankedTrials(const sweep::Sweep& sweep,
                                       const std::vector<sweep::Trial>& trials);

// A line for each ranked trial, best first, at most `rows`; ends with a line
// break. A sweep that has only folds gets a line for each fold with all
// figures, and their means and deviations.
std::string TrialsTable(const sweep::Sweep& sweep,
                        const std::vector<sweep::Trial>& trials,
                        const Console& console, size_t rows);

// A line for each trial, by number. Absent values are empty. With folds `trial`
// is the setting, `fold` its fold, `rank` the rank of the setting, and there
// are all figures. A sweep that has only folds has no ranks.
std::string TrialsCsv(const sweep::Sweep& sweep,
                      const std::vector<sweep::Trial>& trials);

// {"sweep": …, "best": …, "trials": [{…, "set": {…}, "evaluations": […]}, …]}.
// With folds a trial is a setting, which also has its "deviation", the "mean"
// and "deviation" of each of its "figures", and its "folds".
Json TrialsJson(const sweep::Sweep& sweep,
                const std::vector<sweep::Trial>& trials);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_SWEEP_TABLE_H_
