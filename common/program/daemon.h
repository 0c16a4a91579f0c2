// The first and last steps of every daemon's main().
//
//   ConfigureMalloc();
//   ... flags ...
//   const StopSignal stop;             // Before the first thread.
//   ... start, WriteAddressFile ...
//   const int signal = stop.Wait();
#ifndef EBB_COMMON_PROGRAM_DAEMON_H_
#define EBB_COMMON_PROGRAM_DAEMON_H_

#include <sys/types.h>

#include <csignal>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace ebb {

// Keeps freed memory: large messages come and go all the time, and giving
// their pages back and getting them again halves the speed (docs/decisions/).
// Call before anything else.
void ConfigureMalloc();

// Turns off the search for deadlocks in the mutexes of the packaged Abseil,
// which is built for debugging: gRPC takes many of them for each message. Our
// own mutexes are others (common/mutex.h). Before the first thread.
void SkipMutexChecks();

// Lets all threads share one heap, so that memory freed by one can be used by
// another. Otherwise each thread keeps the most that it ever needed, and a
// process that receives large messages on changing threads takes several times
// what it holds. For processes with a bound; call it before the first thread.
void ShareHeap();

// Asks the system to kill this process when `parent` dies, however it dies.
// FailedPrecondition: it is dead already.
absl::Status DieWithParent(pid_t parent);

// Names this life of the process: random, never 0. Aborts where the system
// has no randomness.
SessionId NewSession();

// Writes a file that is there whole or not at all.
absl::Status WriteAddressFile(const std::string& path,
                              absl::string_view address);

// SIGTERM and SIGINT, held back from the time of construction (in all threads
// made later) until a thread waits for them. Those that were ignored when the
// process started stay ignored.
class StopSignal {
 public:
  StopSignal();
  // Blocks. Returns the signal's number.
  int Wait() const;
  // The same, but no longer than `patience`: 0 where no signal came.
  int WaitFor(absl::Duration patience) const;

 private:
  sigset_t signals_;
};

// The first mistake in "10s", "500ms", "1h30m" as words; empty: none, and
// `duration` is set. At least nothing.
std::string ParseFlagDuration(const std::string& text,
                              absl::Duration* duration);

// Says what is wrong with a HOST:PORT, in which an IPv6 address has brackets;
// empty: nothing. Without a port, gRPC would silently take 443. Port 0 picks a
// free one, if `listens`.
std::string CheckFlagAddress(absl::string_view address, bool listens);
// Does the same without the white space around it, as in a file that
// --address-file made.
std::string TakeFlagAddress(std::string* address, bool listens);
// Does the same with a HOST or a HOST:PORT; empty text stands for the default.
std::string CheckFlagAdvertise(absl::string_view address);
// Puts brackets around an IPv6 address; returns all else as it is.
std::string WithBrackets(std::string address);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_DAEMON_H_
