#include "common/program/daemon.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/program/ignored_signals.h"

namespace ebb {

void ConfigureMalloc() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

void SkipMutexChecks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

void ShareHeap() { mallopt(M_ARENA_MAX, 1); }

absl::Status DieWithParent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have died before.
  if (getppid() != parent) {
    return absl::FailedPreconditionError(
        absl::StrCat("the parent process ", parent, " is dead"));
  }
  return absl::OkStatus();
}

SessionId NewSession() {
  uint64_t value = 0;
  while (value == 0) {
    if (getrandom(&value, sizeof(value), 0) != sizeof(value)) std::abort();
  }
  return SessionId(value);
}

absl::Status WriteAddressFile(const std::string& path,
                              absl::string_view address) {
  const std::string temporary = absl::StrCat(path, ".", getpid());
  const std::string text = absl::StrCat(address, "\n");
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool written = fd >= 0 && write(fd, text.data(), text.size()) ==
                                static_cast<ssize_t>(text.size());
  int error = errno;
  if (fd >= 0) close(fd);
  if (written && std::rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    written = false;
  }
  if (written) return absl::OkStatus();
  if (fd >= 0) unlink(temporary.c_str());
  return absl::UnavailableError(absl::StrCat("cannot write the address file ",
                                             path, ": ", std::strerror(error)));
}

StopSignal::StopSignal() : signals_(NotIgnored({SIGTERM, SIGINT})) {
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  // A peer that is gone is an error of the call, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow (ulimit -f) is an error to tell of, as a full
  // disk.
  std::signal(SIGXFSZ, SIG_IGN);
}

int StopSignal::Wait() const {
  int signal = 0;
  sigwait(&signals_, &signal);
  return signal;
}

int StopSignal::WaitFor(absl::Duration patience) const {
  const timespec limit = absl::ToTimespec(patience);
  // Interrupted by a signal that is none of these, it may end early.
  return std::max(sigtimedwait(&signals_, nullptr, &limit), 0);
}

std::string ParseFlagDuration(const std::string& text,
                              absl::Duration* duration) {
  if (!absl::ParseDuration(text, duration) ||
      *duration < absl::ZeroDuration()) {
    return absl::StrCat("\"", text,
                        "\" is no duration; write 10s, 500ms or 1h30m");
  }
  return "";
}

std::string CheckFlagAddress(absl::string_view address, bool listens) {
  // "unix:PATH" has no port.
  if (absl::StartsWith(address, "unix:")) return "";
  const size_t colon = address.rfind(':');
  const absl::string_view host = address.substr(0, colon);
  int port = -1;
  // "::1" is a host alone, "[::1]:7000" has a port.
  const bool bare =
      absl::StrContains(host, ':') && !absl::EndsWith(host, "]") &&
      !absl::StartsWith(host, "dns:") && !absl::StartsWith(host, "ipv4:");
  if (colon == absl::string_view::npos || host.empty() || bare ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < (listens ? 0 : 1) || port > 65535) {
    return absl::StrCat("\"", address,
                        "\" is no address; write HOST:PORT, like "
                        "localhost:7000");
  }
  return "";
}

}  // namespace ebb
