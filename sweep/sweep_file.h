// Sweep files: YAML to a Sweep and its job.
//
// A sweep file is a job file with the key `sweep`, or has the keys of a sweep
// and names its job file by `job`. A job file with `validate` and without
// `sweep` is a sweep that has only folds. Mistakes have the form of a job
// file's.
#ifndef EBB_SWEEP_SWEEP_FILE_H_
#define EBB_SWEEP_SWEEP_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/mistake.h"
#include "sweep/sweep.h"

namespace ebb::sweep {

struct SweepFile {
  Sweep sweep;
  // What every trial's job has: "KEY=VALUE", the trial's own choices go before.
  std::vector<std::string> overrides;
  // The job's file, and its text: that of the sweep file without the sweep.
  std::string job_file;
  std::string job_text;
  v1::Job job;  // Before any trial's choices.
  std::vector<job::Mistake> mistakes;

  bool ok() const { return mistakes.empty(); }
};

// Reads the file and checks all that can be checked without the job's data,
// each value of each key as the job file's own rules have it. `overrides` are
// those of the command line.
SweepFile ReadSweepFile(const std::string& path,
                        const std::vector<std::string>& overrides);
// The same from a text; a job file that it names is read.
SweepFile ReadSweep(absl::string_view text, absl::string_view name,
                    const std::vector<std::string>& overrides);

// "KEY=VALUE" for each choice, after the sweep's overrides.
std::vector<std::string> OverridesOf(const SweepFile& file,
                                     const Choices& choices);

// The job file of a trial: a comment, from which ReadTrialHeader reads the
// trial again, and the job with its choices. InvalidArgument: the choices do
// not go together, as the mistakes say.
absl::StatusOr<std::string> TrialFile(const SweepFile& file, int64_t number,
                                      const Choices& choices);

// What the comment of a trial's job file says.
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

#endif  // EBB_SWEEP_SWEEP_FILE_H_
