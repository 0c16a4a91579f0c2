// A port that stays ours while the daemon that listens on it comes and goes.
#ifndef EBB_TOOLS_PROCESS_RESERVED_PORT_H_
#define EBB_TOOLS_PROCESS_RESERVED_PORT_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/fd.h"

namespace ebb::tools {

// Bound, but never listening, so that the port is not given away meanwhile.
// Another program might ask for any port. Worse, a worker that keeps trying to
// connect to the port might get it for its own end, and connect to itself. A
// daemon may still bind it, with SO_REUSEADDR.
class ReservedPort {
 public:
  // A free port of 127.0.0.1.
  static absl::StatusOr<ReservedPort> Reserve();

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }

 private:
  ReservedPort(Fd fd, std::string address)
      : fd_(std::move(fd)), address_(std::move(address)) {}
  Fd fd_;
  std::string address_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_RESERVED_PORT_H_
