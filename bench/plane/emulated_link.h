// Two network namespaces on this machine and a link between them, whose rate,
// delay and loss can be set: a TUN device in each, and a process that carries
// packets from one to the other.
//
//   EBB_ASSIGN_OR_RETURN(auto link, EmulatedLink::Make());
//   link->SetShape({.bits_per_second = 10'000'000'000});
//   ... sockets of this thread, and of threads that it starts, are at kNear;
//   ... those that it makes within InNetwork(link->far().network, ...) are at
//   kFar.
//
// Without loss the devices pass packets of up to 64 KiB, as network cards do,
// which makes 10 Gbit/s possible. With loss they pass packets of 1500 bytes, so
// that one loss is one packet, and the carrying process is the limit at a few
// Gbit/s: what a raw socket moves through it tells.
#ifndef EBB_BENCH_PLANE_EMULATED_LINK_H_
#define EBB_BENCH_PLANE_EMULATED_LINK_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/plane/link_schedule.h"
#include "common/fd.h"

namespace ebb::bench {

// Runs `f` in the network namespace, an open file; -1: in that of the caller.
// Threads that `f` starts stay there. Internal: the way there or back failed.
absl::Status InNetwork(int network, absl::FunctionRef<absl::Status()> f);

// The place of a server of a benchmark.
struct Place {
  std::string host = "127.0.0.1";
  int network = -1;  // One of InNetwork().
};

// Thread-compatible. The namespaces have no names: they end with the processes
// that use them, however those end.
class EmulatedLink {
 public:
  static constexpr char kNear[] = "10.99.0.1";
  static constexpr char kFar[] = "10.99.0.2";
  // Packets that wait for the link, in each direction.
  static constexpr int64_t kQueueBytes = int64_t{8} << 20;

  struct Counts {
    int64_t packets = 0;  // Arrived, in both directions.
    int64_t dropped = 0;  // Lost, or too many for the queue.
  };

  // Moves the calling thread to the near namespace; the destructor, on the same
  // thread, moves it back. Forks: call it before this process has other
  // threads. PermissionDenied: it needs root. FailedPrecondition: the system
  // has no TUN devices.
  static absl::StatusOr<std::unique_ptr<EmulatedLink>> Make();
  ~EmulatedLink();

  // The other namespace.
  Place far() const { return {kFar, far_.get()}; }

  // Lets each connection of both namespaces buffer so many bytes at most, at
  // either end (net.ipv4.tcp_rmem and tcp_wmem): it has at most that under way.
  // The system goes on choosing by itself below that. Unavailable: it refuses.
  absl::Status SetMostWindow(int64_t bytes);

  // For packets that come from now on. Unavailable: the devices refuse it.
  absl::Status SetShape(const LinkShape& shape);
  Counts counts() const;

 private:
  struct Board;  // This process and the carrying one share it.

  EmulatedLink(Fd home, Fd far, Fd near_device, Fd far_device, Board* board);

  const Fd home_, far_, near_device_, far_device_;
  Board* const board_;
  pid_t carrier_ = -1;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_EMULATED_LINK_H_
