// The job files of a sweep's trials, and the trials that they tell of.
#ifndef EBB_SWEEP_TRIAL_FILE_H_
#define EBB_SWEEP_TRIAL_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sweep/space.h"
#include "sweep/sweep_file.h"

namespace ebb::sweep {

// "KEY=VALUE" for each choice, after the sweep's overrides.
std::vector<std::string> OverridesOf(const SweepFile& file,
                                     const Choices& choices);

// The job file of a trial: a comment, from which ReadTrialHeader reads the
// trial again, and the job with its choices. InvalidArgument: the choices do
// not go together, as the mistakes say.
absl::StatusOr<std::string> TrialFile(const SweepFile& file, int64_t number,
                                      const Choices& choices);
// The job with the choices of the best trial. It has the job's own name, so
// that a cluster that has the trial takes it, and it is not another trial.
absl::StatusOr<std::string> BestFile(const SweepFile& file, int64_t number,
                                     const Choices& choices);

// The content of the comment of a trial's job file.
struct TrialHeader {
  std::string sweep;
  int64_t number = 0;
  // A hash of the space, the method, the seed, the metric and the job. Trials
  // with another one belong to another sweep.
  std::string definition;
  Choices choices;
};
// Absent: the text is not a trial's.
std::optional<TrialHeader> ReadTrialHeader(absl::string_view text);
// The `definition` of this file's trials.
std::string DefinitionOf(const SweepFile& file);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_TRIAL_FILE_H_
