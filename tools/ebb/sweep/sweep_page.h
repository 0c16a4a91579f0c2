// A sweep as one page: its best trials, how the keys and the metric hang
// together, and how the trials learned. The page needs nothing else: no script,
// no file beside it.
#ifndef EBB_TOOLS_EBB_SWEEP_SWEEP_PAGE_H_
#define EBB_TOOLS_EBB_SWEEP_SWEEP_PAGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "sweep/sweep.h"

namespace ebb::tools {

// SVG elements, styled by the style sheet of charts.h; empty: no trial has a
// result.
//
// A line for each trial through its choices, an axis for each key, and the
// metric at the right. The better, the darker.
std::string ParallelCoordinates(const sweep::Sweep& sweep,
                                const std::vector<sweep::Trial>& trials);
// A point for each trial that has the key: its value, and the metric.
std::string SlicePlot(const sweep::Sweep& sweep,
                      const std::vector<sweep::Trial>& trials,
                      const sweep::Dimension& dimension);
// The metric by epoch, a line for each trial.
std::string LearningCurves(const sweep::Sweep& sweep,
                           const std::vector<sweep::Trial>& trials);

// Takes the trials themselves also with folds.
std::string SweepPage(const sweep::Sweep& sweep,
                      const std::vector<sweep::Trial>& trials);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_SWEEP_PAGE_H_
