#include "worker/python/python_child.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/fd.h"
#include "common/program/spawn_setup.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::worker {

namespace {

// Behind its standard files.
constexpr int kChildSocket = 3;
// Python ends within it unless it is in the middle of a batch.
constexpr absl::Duration kEndsWithin = absl::Milliseconds(300);
constexpr absl::Duration kLookAgain = absl::Milliseconds(10);

// Returns whether a child has ended, or is none of this process. It is still to
// be waited for.
bool HasEnded(pid_t pid) {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(pid), &info,
                WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid;
}

}  // namespace

PythonChild::PythonChild(pid_t pid, ProgramSocket socket)
    : pid_(pid), socket_(std::make_unique<ProgramSocket>(std::move(socket))) {}

absl::StatusOr<std::unique_ptr<PythonChild>> PythonChild::Start(
    const PythonProgram& program) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  Fd ours(ends[0]);
  // Above what the child's socket becomes, so that it can be moved there.
  const Fd first(ends[1]);
  const Fd theirs(fcntl(first.get(), F_DUPFD_CLOEXEC, kChildSocket + 1));
  SpawnSetup setup;
  setup.Duplicate(STDERR_FILENO, STDOUT_FILENO);
  setup.Duplicate(theirs.get(), kChildSocket);
  setup.CloseFrom(kChildSocket + 1);
  pid_t pid = 0;
  const int error = setup.Spawn(
      program.interpreter, program.CommandLine(kChildSocket), environ, &pid);
  if (error != 0) {
    return absl::ErrnoToStatus(
        error, absl::StrCat("Python cannot be started: ", program.interpreter));
  }
  auto socket = ProgramSocket::Of(std::move(ours), pid);
  if (!socket.ok()) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return socket.status();
  }
  // The constructor is private.
  return std::unique_ptr<PythonChild>(new PythonChild(pid, *std::move(socket)));
}

PythonChild::~PythonChild() {
  socket_.reset();  // It ends by that.
  Reap();
}

bool PythonChild::over() const { return end_.has_value() || HasEnded(pid_); }

void PythonChild::Reap() {
  if (end_) return;
  const absl::Time deadline = SteadyNow() + kEndsWithin;
  while (!HasEnded(pid_) && SteadyNow() < deadline) absl::SleepFor(kLookAgain);
  // With what it started itself. Until it is waited for, no other group can
  // have its number.
  kill(-pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  end_ = status;
}

absl::StatusOr<Request> PythonChild::Receive(absl::Duration patience) {
  const absl::Time deadline = SteadyNow() + patience;
  for (;;) {
    // Its last words come first.
    auto received = socket_->Receive();
    if (received.ok()) return ReadRequest(received->bytes);
    if (absl::IsInvalidArgument(received.status())) return received.status();
    if (absl::IsCancelled(received.status())) break;
    const absl::Duration left = deadline - SteadyNow();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(
          "Python says nothing for ", absl::FormatDuration(patience)));
    }
    if (socket_->Wait(/*signals=*/-1, left) == ProgramSocket::Event::kDeath) {
      received = socket_->Receive();
      if (received.ok()) return ReadRequest(received->bytes);
      break;
    }
  }
  return absl::UnavailableError(HowItEnded());
}

std::string PythonChild::HowItEnded() {
  Reap();
  if (WIFSIGNALED(*end_)) {
    const int signal = WTERMSIG(*end_);
    return absl::StrCat("Python was killed by signal ", signal, " (",
                        strsignal(signal), ")");
  }
  return absl::StrCat("Python ended with exit code ", WEXITSTATUS(*end_));
}

}  // namespace ebb::worker
