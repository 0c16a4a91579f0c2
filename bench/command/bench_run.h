// A benchmark that is a disturbed run of a cluster.
#ifndef EBB_BENCH_COMMAND_BENCH_RUN_H_
#define EBB_BENCH_COMMAND_BENCH_RUN_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "bench/command/bench_pace.h"
#include "tools/command/command.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/run/disturbance.h"
#include "tools/ebb/run/local_run.h"
#include "tools/ebb/run/run_flags.h"
#include "tools/text/json.h"

namespace ebb::tools {

// Fewer of them could not be disturbed.
struct LeastCluster {
  int servers = 1;
  int workers = 1;
};

struct BenchFlags {
  JobFlags job;
  RunOptions run;
  bool json = false;
};

// Adds --servers, --workers, --batch-time, --undisturbed, --json and the flags
// of a job, which may be left out. `pace` has the defaults.
void AddBenchFlags(CLI::App* command, const LeastCluster& least,
                   BenchPace* pace, BenchFlags* flags);

// Adds the examples that were computed again and applied twice, as the last
// members of `json`.
void AddApplied(const RunReport& report, Json* json);

// Runs the job of the flags, or one that is made up with `train`, until
// `disturbance` ends it. Prints the machine first, then `result`, unless that
// is empty, and what went wrong. Returns the exit code.
int RunBench(BenchFlags* flags, const std::string& train,
             Disturbance* disturbance,
             const std::function<std::string(const RunReport&)>& result);

// On standard error; what came last is written over on a terminal.
void ShowBenchProgress(const std::string& text);

// The result of a benchmark.
struct BenchResult {
  std::string text;
  bool good = false;  // All bounds hold, or it was a look and no verdict.
};
using StopFunction = std::function<bool()>;
// Adds its figures to `json`. Cancelled: `stop` said so.
using MeasureFunction = std::function<absl::StatusOr<BenchResult>(
    const std::string& folder, const StopFunction& stop, Json* json)>;
// A benchmark in a folder of its own below `parent` (empty: the system's for
// temporary files), which is gone afterwards, also after Ctrl-C. Prints the
// machine first, then the result; its figures go to the file `json` (empty: to
// none). Returns the exit code.
int RunInScratchFolder(const std::string& parent, const std::string& json,
                       const MeasureFunction& measure);

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMAND_BENCH_RUN_H_
