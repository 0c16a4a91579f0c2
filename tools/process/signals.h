// Waiting for signals as for anything else: on one thread, with a deadline.
#ifndef EBB_TOOLS_PROCESS_SIGNALS_H_
#define EBB_TOOLS_PROCESS_SIGNALS_H_

#include <array>
#include <csignal>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ebb::tools {

// Signals that came while waiting.
struct Signals {
  int interrupts = 0;  // SIGINT, SIGTERM or SIGHUP.
  bool child = false;  // SIGCHLD: a process ended.
};

// Holds back SIGINT, SIGTERM, SIGHUP and SIGCHLD in this thread and those that
// it starts from now on; gives them back at its end. If a thread that was there
// before gets one of the first three, it hands it over. One at a time. A signal
// that was ignored when the process started (by nohup, say) stays ignored and
// is never reported; SIGCHLD always is.
class SignalWaiter {
 public:
  static absl::StatusOr<SignalWaiter> Create();
  SignalWaiter(SignalWaiter&& other) noexcept;
  SignalWaiter& operator=(SignalWaiter&&) = delete;
  ~SignalWaiter();

  // Returns at the first signal, or after `timeout`. With a file (not -1), also
  // when it has something to read, or has ended.
  Signals Wait(absl::Duration timeout, int file = -1);

 private:
  static constexpr std::array kInterrupts = {SIGINT, SIGTERM, SIGHUP};

  explicit SignalWaiter(int fd) : fd_(fd) {}
  void TakeFromOtherThreads();

  int fd_;  // -1: it was moved.
  std::array<struct sigaction, kInterrupts.size()> before_ = {};
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_SIGNALS_H_
