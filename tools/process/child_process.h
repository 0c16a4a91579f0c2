// One process that this one started, and ends.
//
//   EBB_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start({
//       .argv = {"/usr/bin/sleep", "1"}, .log = "sleep.log"}));
//   child.Signal(SIGTERM);
//   while (!child.Poll()) { ... wait for SIGCHLD ... }
#ifndef EBB_TOOLS_PROCESS_CHILD_PROCESS_H_
#define EBB_TOOLS_PROCESS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ebb::tools {

struct ProcessSpec {
  // The program, an absolute path, and its arguments.
  std::vector<std::string> argv;
  // Standard output and error are appended to this file.
  std::string log;
  // Its folder; empty: the present one.
  std::string folder;
  // "NAME=value", before the same names in `base`.
  std::vector<std::string> environment;
  // Its environment but for that; null: that of this process.
  std::optional<std::vector<std::string>> base;
};

// How a process ended.
struct ProcessEnd {
  int exit_code = 0;
  int signal = 0;  // 0: it exited.

  bool clean() const { return exit_code == 0 && signal == 0; }
  // True if a person or the machine (out of memory) ended it, or asked it to:
  // nothing is wrong with a program that ends so.
  bool by_others() const;
  // "exited with 3", "was killed by signal 9 (Killed)".
  std::string ToString() const;
};

// A running or ended process in a process group of its own, so that Ctrl-C
// reaches only this process. It ignores SIGHUP, SIGINT and SIGQUIT if this
// process does. The destructor kills and reaps it if it still runs. Signals
// only a process that has not been reaped, so never a stranger.
// Thread-compatible.
class ChildProcess {
 public:
  // kNotFound, kPermissionDenied: the program cannot be run, or the log cannot
  // be written.
  static absl::StatusOr<ChildProcess> Start(const ProcessSpec& spec);

  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), end_(other.end_) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Does not block. nullopt: it runs.
  std::optional<ProcessEnd> Poll();
  // No effect when it has ended.
  void Signal(int signal);

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  void KillAndReap();

  pid_t pid_;  // 0: moved away.
  std::optional<ProcessEnd> end_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_CHILD_PROCESS_H_
