// The command line and the frame of main() that all daemons share.
//
//   struct Flags : DaemonFlags { std::string state_dir; ... };
//   absl::StatusOr<int> Run(const Flags& flags, const StopSignal& stop);
//
//   int main(int argc, char** argv) {
//     Flags flags;
//     return ebb::DaemonMain(
//         argc, argv, {"ebb-x", "ebb-x: does x.", EBB_VERSION},
//         [&](CLI::App* app) { AddFlags(app, &flags); }, flags,
//         [&](const StopSignal& stop) { return Run(flags, stop); });
//   }
#ifndef EBB_COMMON_PROGRAM_DAEMON_FLAGS_H_
#define EBB_COMMON_PROGRAM_DAEMON_FLAGS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/program/daemon.h"
#include "common/program/tls_flags.h"

namespace ebb {

// Exit code: whatever must be changed by a person before another start makes
// sense.
inline constexpr int kExitUsage = 2;
// Exit code: there is no room to begin, as on a full disk, or the disk is
// read-only. A later start may find that mended.
inline constexpr int kExitNoRoom = 5;

// The flags that each daemon has.
struct DaemonFlags {
  uint64_t message_bytes = uint64_t{512} << 20;
  TlsSettings tls;
  // Socket at which it answers `ebb health` (rpc/health.h); empty: it answers
  // only at its --listen.
  std::string health_socket;
  // Port at which it serves metrics (metrics/metrics_server.h); absent: none.
  // 0: a free port.
  std::optional<int> metrics_port;
  std::string metrics_host = "127.0.0.1";
  // Dies with this process; 0: with none. It must be named: a process whose
  // parent died before it asked has another, and would never know.
  pid_t parent = 0;
  std::string kill_at;
};

// Adds their flags. Last, so that they stand behind a daemon's own.
void AddDaemonFlags(CLI::App* app, DaemonFlags* flags);

// --memory, of a daemon that bounds what it holds. 0: no bound.
void AddMemoryFlag(CLI::App* app, uint64_t* bytes);

// --shared-memory, of a daemon that speaks to others on its machine: "auto" or
// "off".
void AddSharedMemoryFlag(CLI::App* app, std::string* mode);

// --bulk, of a daemon that moves pushes and pulls: "auto" or "off".
void AddBulkFlag(CLI::App* app, std::string* mode);
// --bulk-streams, of the side that connects: how many to each server.
void AddBulkStreamsFlag(CLI::App* app, int most, int* streams);

// --scheduler, of a daemon that looks for one.
void AddSchedulerFlag(CLI::App* app, std::string* scheduler);
// --listen and --address-file, of a daemon that serves.
void AddListenFlag(CLI::App* app, std::string* listen);
void AddAddressFileFlag(CLI::App* app, std::string* path);

// A duration such as 500ms; `variable` is its twin in the environment.
CLI::Option* AddDurationFlag(CLI::App* app, const char* name,
                             const char* variable, absl::Duration* value,
                             const char* help);

// The exit code of a daemon that cannot begin for this reason: kExitNoRoom if
// it may pass without another command, else kExitUsage.
int ExitCodeOf(const absl::Status& failed);

struct DaemonName {
  std::string program;
  std::string summary;  // Shown by --help.
  std::string version;
};

// Configures the process, reads the command line, and runs. `run` gives the
// exit code; an error of it is printed, and gives the code (ExitCodeOf). No
// thread is started before it.
int DaemonMain(
    int argc, char** argv, const DaemonName& name,
    absl::FunctionRef<void(CLI::App* app)> add_flags, const DaemonFlags& flags,
    absl::FunctionRef<absl::StatusOr<int>(const StopSignal& stop)> run);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_DAEMON_FLAGS_H_
