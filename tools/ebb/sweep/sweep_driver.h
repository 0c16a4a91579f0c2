// Drives a sweep: submits its trials, watches them, stops some of them, and
// writes what came of them.
#ifndef EBB_TOOLS_EBB_SWEEP_SWEEP_DRIVER_H_
#define EBB_TOOLS_EBB_SWEEP_SWEEP_DRIVER_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "rpc/security.h"
#include "sweep/sweep_file.h"
#include "tools/ebb/job/start_values.h"
#include "tools/ebb/sweep/trial_jobs.h"

namespace ebb::tools {

struct SweepOptions {
  sweep::SweepFile file;
  std::vector<std::string> plugin_folders;
  // A cluster that runs, and how its data is opened; empty: the sweep starts a
  // cluster of its own, of which the others speak.
  std::string scheduler;
  rpc::SecurityPtr security;
  std::optional<TrialTokens> tokens;
  std::optional<data::OpenBytes> open;
  // How models are read with which jobs begin.
  ModelOpener open_model;
  std::optional<int> servers;
  std::optional<int> workers;
  int64_t memory_bytes = 0;
  // Goes on with the sweep in the folder; without one, with the newest.
  bool resume = false;
  // A folder for the sweep; empty: runs/NAME-N.
  std::string folder;
  // As soon as this is not the parent of the process any more, the sweep ends
  // as on Ctrl-C; 0: it may outlive its parent.
  pid_t parent = 0;
  bool json = false;   // Prints JSON at the end, and nothing else.
  bool quiet = false;  // Prints only errors.
};

struct SweepResult {
  bool interrupted = false;
  bool any_complete = false;
  std::vector<std::string> problems;
};

// Runs the sweep to its end, and prints as it goes. An error: nothing was
// started, or the sweep cannot go on; what was trained stays.
absl::StatusOr<SweepResult> RunSweep(const SweepOptions& options);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_SWEEP_DRIVER_H_
