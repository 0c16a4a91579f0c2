// The course of a run, a sample at a time.
#ifndef EBB_TOOLS_EBB_REPORT_RUN_SAMPLES_H_
#define EBB_TOOLS_EBB_REPORT_RUN_SAMPLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

// About a thousand in all: they are rarer in a long run. Each is in the run's
// folder as soon as it is taken, or else, as on a full disk, as soon as a later
// one can be written. Not thread-safe.
class RunSamples {
 public:
  // Begins with those of earlier parts of the run. The folder outlives it.
  explicit RunSamples(const RunFolder* folder);

  // So long after this part of the run began. Only if one is due. An error says
  // why the file lacks samples, which are kept.
  absl::Status Take(const Progress& progress, absl::Duration after);
  // Though none is due: there is none after it.
  absl::Status TakeLast(const Progress& progress, absl::Duration after);

  // Writes those that could not be written.
  absl::Status WriteRest();
  // How many the file lacks.
  int64_t unwritten() const {
    return static_cast<int64_t>(all_.size()) - written_;
  }

  const std::vector<RunSample>& all() const { return all_; }
  // Applied at the last one; 0: there is none.
  int64_t applied() const {
    return all_.empty() ? 0 : all_.back().progress.applied;
  }

 private:
  const RunFolder* const folder_;
  std::vector<RunSample> all_;
  int64_t written_;              // So many of them are in the file.
  const double seconds_before_;  // Seconds of earlier parts of the run.
  absl::Duration taken_ = -absl::InfiniteDuration();
};

// Renames the metrics.csv of a run if it has other columns, as an older `ebb
// run SCRIPT.py` wrote, so that the next samples begin a new one. Returns its
// new name; empty: there was none. Call it before samples are read.
absl::StatusOr<std::string> SetAsideOtherSamples(const RunFolder& folder);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_RUN_SAMPLES_H_
