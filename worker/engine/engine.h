// The engine: a worker whose mathematics are in another process, the program
// (docs/formats/computer.md). It does all else that a worker does: leases,
// pulls, pushes, marks, and leaving in good order.
//
//   ebb-worker --serve 5 --job digits --scheduler host:7000
//
// It ends with its program, however that ends.
#ifndef EBB_WORKER_ENGINE_ENGINE_H_
#define EBB_WORKER_ENGINE_ENGINE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/client_shell.h"
#include "common/shm/shared_heap.h"
#include "rpc/security.h"
#include "rpc/transport.h"

namespace ebb::worker {

struct EngineOptions {
  int socket = -1;         // Inherited from the program.
  std::string version;     // The program must be of the same one.
  std::string job;         // Its name.
  std::string token_file;  // The job's token; empty: it has none.
  client::ClientShellOptions shell;
  // The time for leaving, as in ebb::ClientOptions. Default 5 s.
  absl::Duration grace = absl::Seconds(5);
  // How long a batch may take before its worker counts as stuck. Give several
  // times the longest batch. Default 1 min.
  absl::Duration patience = absl::Minutes(1);
  rpc::SecurityPtr security;
  // Moves values on that lack a batch (look_ahead.h).
  bool look_ahead = false;
  // The heap that gradients lie in; null: they lie anywhere.
  std::shared_ptr<shm::SharedHeap> heap;
  // Why this machine is about to end, if it is. No program is served then.
  std::function<std::optional<std::string>()> notice;
};

// Serves the program until one of the two leaves. SIGTERM is blocked in all
// threads. InvalidArgument: there is no program at the socket.
absl::Status ServeProgram(EngineOptions options, rpc::Transport* transport);

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_ENGINE_H_
