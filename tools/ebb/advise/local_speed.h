// How fast a job is on this machine, from a short run of it.
#ifndef EBB_TOOLS_EBB_ADVISE_LOCAL_SPEED_H_
#define EBB_TOOLS_EBB_ADVISE_LOCAL_SPEED_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/process/signals.h"

namespace ebb::tools {

struct LocalSpeed {
  double rate = 0;  // Examples a second of one worker, evaluations included.
  // Standard deviation of the rate of a fifth of the time, over the rate.
  double rate_error = 0;
  // From the start of the run to the first example that counted.
  absl::Duration load;
  double server_seconds = 0;  // A processor's, for an example.
  absl::Duration measured;    // From the first to the last sample.
};

struct LocalSpeedOptions {
  std::string program_folder;  // Has ebb.
  // JOB.yaml and the flags that change it, as for `ebb run`.
  std::vector<std::string> job;
  absl::Duration length = absl::Seconds(20);
  // Called a few times a second with what is over of `length`; may be empty.
  std::function<void(absl::Duration)> progress;
};

// Trains the job with one worker and one server for `length`, in a folder for
// temporary files that it removes. Blocks. FailedPrecondition: the run failed,
// or was too short; says how to go on. Aborted: a signal ended it.
absl::StatusOr<LocalSpeed> MeasureLocalSpeed(const LocalSpeedOptions& options,
                                             SignalWaiter* signals);

// The same from the samples of a run (metrics.csv), without server_seconds.
absl::StatusOr<LocalSpeed> SpeedOfSamples(absl::string_view csv);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ADVISE_LOCAL_SPEED_H_
