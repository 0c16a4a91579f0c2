// Decides which ends of a run's programs end the run, and tells of them.
#ifndef EBB_TOOLS_EBB_RUN_PROGRAM_ENDS_H_
#define EBB_TOOLS_EBB_RUN_PROGRAM_ENDS_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/process/child_process.h"

namespace ebb::tools {

// "ended with exit code 1", "was ended by SIGSEGV".
std::string ProgramEndText(const ProcessEnd& end);

// Returns what a log ends with: its last 24 lines, each indented by two blanks,
// without a line break at the end.
std::string LogTail(absl::string_view log);

// An end otherwise than with exit code 0.
struct ProgramEnd {
  std::string program;  // "worker-0".
  ProcessEnd end;
  bool planned = false;  // The run killed it.
  absl::Duration life;
  // It noted that its own error ended it, which would come again.
  bool own_error = false;
  // A job is there, so the program has begun.
  bool has_job = false;
};

// Not thread-safe.
class ProgramEnds {
 public:
  // Returns whether the run is over: the program would fail again, or has
  // failed three times in a row, or was killed six times on a job. One that
  // lived for 20 s did not fail at its start, and begins a new row.
  bool EndsRun(const ProgramEnd& end);

 private:
  // In a row, by program: on a job, by a signal; and all others.
  std::map<std::string, int> deaths_;
  std::map<std::string, int> failures_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_PROGRAM_ENDS_H_
