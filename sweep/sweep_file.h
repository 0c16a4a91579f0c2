// Sweep files: YAML to a Sweep and its job.
//
// A sweep file is a job file with the key `sweep`, or has the keys of a sweep
// and names its job file by `job`. A job file with `validate` and without
// `sweep` is a sweep that has only folds. Mistakes have the form of a job
// file's.
#ifndef EBB_SWEEP_SWEEP_FILE_H_
#define EBB_SWEEP_SWEEP_FILE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/base/mistake.h"
#include "sweep/sweep.h"

namespace ebb::sweep {

struct SweepFile {
  Sweep sweep;
  // Every trial's job has these, "KEY=VALUE". The trial's own choices win.
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
// The same for a program that runs the trials itself: the file may name no job.
// Then its keys are the program's own, and their values are not checked.
SweepFile ReadStudyFile(const std::string& path,
                        const std::vector<std::string>& overrides);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_SWEEP_FILE_H_
