// The names of daemons and items in tables and events.
#ifndef EBB_TOOLS_TEXT_DAEMON_NAMES_H_
#define EBB_TOOLS_TEXT_DAEMON_NAMES_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace ebb::tools {

inline constexpr char kSchedulerName[] = "scheduler";
inline std::string ServerName(int server) {
  return absl::StrCat("ps-", server);
}
inline std::string WorkerName(int worker) {
  return absl::StrCat("worker-", worker);
}

// "3/18": an item by its epoch and shard, both from 1.
inline std::string ItemName(int32_t epoch, int32_t shard) {
  return absl::StrCat(epoch + 1, "/", shard + 1);
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_DAEMON_NAMES_H_
