// A process of Python's that computes for this one.
#ifndef EBB_WORKER_PYTHON_PYTHON_CHILD_H_
#define EBB_WORKER_PYTHON_PYTHON_CHILD_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "worker/engine/messages.h"
#include "worker/engine/program_socket.h"
#include "worker/python/python_program.h"

namespace ebb::worker {

// It has the other end of a socket (docs/formats/computer.md), the standard
// output and errors of this process, and a process group of its own, so that
// Ctrl-C reaches only this process. It ends when the socket is closed; the
// destructor waits a little for that, and kills it then. Thread-compatible.
class PythonChild {
 public:
  // Returns once the process is started. NotFound, PermissionDenied: it cannot
  // be.
  static absl::StatusOr<std::unique_ptr<PythonChild>> Start(
      const PythonProgram& program);

  PythonChild(const PythonChild&) = delete;
  PythonChild& operator=(const PythonChild&) = delete;
  ~PythonChild();

  pid_t pid() const { return pid_; }
  const ProgramSocket& socket() const { return *socket_; }
  // The process has ended, whatever it said before. Does not block.
  bool over() const;

  // Blocks until there is a message. Unavailable: the process has ended; the
  // message says how. DeadlineExceeded: there is none after `patience`.
  // InvalidArgument: the message cannot be read.
  absl::StatusOr<Request> Receive(absl::Duration patience);

 private:
  PythonChild(pid_t pid, ProgramSocket socket);
  // Waits a little for its end, and kills it then.
  void Reap();
  std::string HowItEnded();

  const pid_t pid_;
  std::unique_ptr<ProgramSocket> socket_;
  std::optional<int> end_;  // From waitpid(), once it is over.
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_PYTHON_PYTHON_CHILD_H_
