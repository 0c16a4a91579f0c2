// The engine's end of the socket to its program, and the sight of its death.
#ifndef EBB_WORKER_ENGINE_PROGRAM_SOCKET_H_
#define EBB_WORKER_ENGINE_PROGRAM_SOCKET_H_

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"

namespace ebb::worker {

// Any thread sends; one waits and receives.
class ProgramSocket {
 public:
  // Takes over the inherited socket. InvalidArgument: it is not a
  // SOCK_SEQPACKET socket, or its program is dead.
  static absl::StatusOr<ProgramSocket> Open(int fd);

  // One end of a pair whose other end the process `program`, a child, has.
  static absl::StatusOr<ProgramSocket> Of(Fd socket, pid_t program);

  // The process that made the socket.
  pid_t program() const { return program_; }

  enum class Event { kNothing, kMessage, kSignal, kDeath };
  // Blocks until there is a message, the program is dead and has said no more,
  // or a signal can be read from `signals`; at most for `patience`.
  Event Wait(int signals, absl::Duration patience) const;

  struct Received {
    std::span<const std::byte> bytes;  // Until the next call.
    Fd file;                           // Came with it, perhaps.
  };
  // Does not block. Unavailable: there is nothing. InvalidArgument: too long.
  // Cancelled: the other end is closed.
  absl::StatusOr<Received> Receive();

  // Blocks while the program does not read. Drops the message if the program
  // dies.
  void Send(absl::string_view message) const;
  // The same, with a file.
  void Send(absl::string_view message, int file) const;
  // Drops it if the program is far behind.
  void Tell(absl::string_view message) const;

 private:
  ProgramSocket(Fd socket, Fd death, pid_t program);

  Fd socket_;
  Fd death_;  // A pidfd: readable when the program is dead.
  pid_t program_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_SOCKET_H_
