// The machines that can be had, and what they cost.
//
//   kind,role,price,speed,losses,most
//   spot-4,worker,0.034,1.0,0.3,64
//   steady-4,worker,0.12,1.0,0,16
//   steady-8,server,0.20,8,,
#ifndef EBB_TOOLS_EBB_ADVISE_MACHINE_KINDS_H_
#define EBB_TOOLS_EBB_ADVISE_MACHINE_KINDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

struct WorkerKind {
  std::string name;
  double price = 0;  // One machine's for an hour, in any currency.
  double speed = 1;  // Its worker's, in those of one on this machine.
  // Losses of each machine in an hour; absent: the market's.
  std::optional<double> losses_per_hour;
  int64_t most = 1000;  // So many can be had.
};

// Servers and the scheduler run on machines that are not taken away.
struct ServerKind {
  std::string name;
  double price = 0;
  double processors = 1;  // In those of this machine.
};

struct MachineKinds {
  std::vector<WorkerKind> workers;  // At least one, with different names.
  ServerKind server;
};

// Reads CSV with the header above. `role` is worker or server, and one row is
// the server's. `speed`, `losses` and `most` may be empty. Lines end with LF or
// CRLF; empty ones and those that begin with # are passed over. InvalidArgument
// names the first few mistakes with `file_name`, line and what would be right,
// and says how many more there are.
absl::StatusOr<MachineKinds> ReadMachineKinds(absl::string_view text,
                                              absl::string_view file_name);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ADVISE_MACHINE_KINDS_H_
