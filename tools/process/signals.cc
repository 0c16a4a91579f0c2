#include "tools/process/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "common/program/ignored_signals.h"
#include "common/status_macros.h"

namespace ebb::tools {

namespace {

// An eventfd that counts signals: a handler reaches only what is global. It is
// never closed, for a handler may still be about to write to it. -1: it is not
// made yet.
std::atomic<int> handed_over{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void HandOver(int /*signal*/) {
  const int error = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(handed_over, &one, sizeof(one));
  errno = error;
}

// Returns how many signals there were since the last call.
int TakeHandedOver() {
  uint64_t count = 0;
  const ssize_t n = read(handed_over, &count, sizeof(count));
  return n == sizeof(count) ? static_cast<int>(count) : 0;
}

// Forgets what came for an earlier waiter.
absl::Status BeginHandingOver() {
  if (handed_over < 0) handed_over = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (handed_over < 0) {
    return absl::ErrnoToStatus(errno, "cannot wait for signals");
  }
  TakeHandedOver();
  return absl::OkStatus();
}

sigset_t OurSignals() { return NotIgnored({SIGINT, SIGTERM, SIGHUP, SIGCHLD}); }

}  // namespace

absl::StatusOr<SignalWaiter> SignalWaiter::Create() {
  // The one signal that must not stay ignored: the kernel would reap children
  // by itself, and how they ended would be lost.
  if (IsIgnored(SIGCHLD)) std::signal(SIGCHLD, SIG_DFL);
  EBB_RETURN_IF_ERROR(BeginHandingOver());
  const sigset_t set = OurSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot wait for signals");
  SignalWaiter waiter(fd);
  waiter.TakeFromOtherThreads();
  return waiter;
}

// Libraries start threads that hold back nothing, as RocksDB does for a run
// that is read. The system hands a signal to any thread that takes it.
void SignalWaiter::TakeFromOtherThreads() {
  for (size_t i = 0; i < kInterrupts.size(); ++i) {
    struct sigaction hand_over = {};
    hand_over.sa_handler = HandOver;
    hand_over.sa_flags = SA_RESTART;
    sigaction(kInterrupts[i], IsIgnored(kInterrupts[i]) ? nullptr : &hand_over,
              &before_[i]);
  }
}

SignalWaiter::SignalWaiter(SignalWaiter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), before_(other.before_) {}

SignalWaiter::~SignalWaiter() {
  if (fd_ < 0) return;
  for (size_t i = 0; i < kInterrupts.size(); ++i) {
    struct sigaction now = {};
    sigaction(kInterrupts[i], nullptr, &now);
    // Signals that are ignored, or that another took meanwhile, stay so.
    if (now.sa_handler != HandOver) continue;
    sigaction(kInterrupts[i], &before_[i], nullptr);
  }
  close(fd_);
  const sigset_t set = OurSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Signals SignalWaiter::Wait(absl::Duration timeout, int file) {
  Signals signals;
  timeout = std::clamp(timeout, absl::ZeroDuration(), absl::Hours(1));
  const timespec limit = absl::ToTimespec(timeout);
  pollfd events[] = {{.fd = fd_, .events = POLLIN},
                     {.fd = handed_over, .events = POLLIN},
                     {.fd = file, .events = POLLIN}};  // -1 is left out.
  if (ppoll(events, std::size(events), &limit, nullptr) <= 0) return signals;
  signals.interrupts += TakeHandedOver();
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
