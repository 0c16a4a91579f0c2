// A program that a benchmark runs to its end.
#ifndef EBB_BENCH_COMMON_BENCH_CHILD_H_
#define EBB_BENCH_COMMON_BENCH_CHILD_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/process/child_process.h"

namespace ebb::tools {

struct ChildRunOptions {
  ProcessSpec process;
  // FailedPrecondition when it takes longer: it is killed.
  absl::Duration limit = absl::Minutes(30);
  // To end in good order when it is stopped or too slow, before it is killed:
  // longer than that of programs that it runs itself.
  absl::Duration grace = absl::Seconds(10);
  // Asked all the time: true ends the program as Ctrl-C does, and the run with
  // Cancelled. May be empty.
  std::function<bool()> stop;
  // Called a few times a second meanwhile. May be empty.
  std::function<void()> tick;
};

// Blocks until the program has ended. A program that is stopped, or too slow,
// is killed with its process group after a while.
absl::StatusOr<ProcessEnd> RunChild(const ChildRunOptions& options);

// The last line of a log with text, for a message; empty: there is none. Parts
// that were overwritten on a terminal are left out.
std::string LastLine(const std::string& log);

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMON_BENCH_CHILD_H_
