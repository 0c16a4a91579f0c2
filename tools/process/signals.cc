#include "tools/process/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/status/status.h"
#include "common/program/ignored_signals.h"

namespace ebb::tools {

namespace {

sigset_t OurSignals() { return NotIgnored({SIGINT, SIGTERM, SIGHUP, SIGCHLD}); }

}  // namespace

absl::StatusOr<SignalWaiter> SignalWaiter::Create() {
  // The one signal that must not stay ignored: the kernel would reap children
  // by itself, and how they ended would be lost.
  if (IsIgnored(SIGCHLD)) std::signal(SIGCHLD, SIG_DFL);
  const sigset_t set = OurSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot wait for signals");
  return SignalWaiter(fd);
}

SignalWaiter::SignalWaiter(SignalWaiter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

SignalWaiter::~SignalWaiter() {
  if (fd_ < 0) return;
  close(fd_);
  const sigset_t set = OurSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Signals SignalWaiter::Wait(absl::Duration timeout) {
  Signals signals;
  timeout = std::clamp(timeout, absl::ZeroDuration(), absl::Hours(1));
  const timespec limit = absl::ToTimespec(timeout);
  pollfd event = {.fd = fd_, .events = POLLIN};
  if (ppoll(&event, 1, &limit, nullptr) <= 0) return signals;
  signalfd_siginfo info;
  while (read(fd_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGCHLD) {
      signals.child = true;
    } else {
      ++signals.interrupts;
    }
  }
  return signals;
}

}  // namespace ebb::tools
