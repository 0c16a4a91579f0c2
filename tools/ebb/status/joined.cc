#include "tools/ebb/status/joined.h"

#include <algorithm>

namespace ebb::tools {

bool HasJoined(const v1::GetStatusResponse& status, int64_t process,
               absl::FunctionRef<int64_t(int64_t)> parent_of) {
  if (status.process_id() == process) return true;
  const auto is_server = [&](const v1::ServerStatus& server) {
    return server.connected() && server.process_id() == process;
  };
  const auto is_worker = [&](const v1::WorkerStatus& worker) {
    int64_t one = worker.process_id();
    while (one > 0 && one != process) one = parent_of(one);
    return one == process;
  };
  return std::ranges::any_of(status.servers(), is_server) ||
         std::ranges::any_of(status.workers(), is_worker);
}

}  // namespace ebb::tools
