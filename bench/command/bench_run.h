// A benchmark in a folder of its own.
#ifndef EBB_BENCH_COMMAND_BENCH_RUN_H_
#define EBB_BENCH_COMMAND_BENCH_RUN_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "tools/text/json.h"

namespace ebb::tools {

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
