// What the daemons of a local cluster are called: in logs, tables and events.
#ifndef EBB_TOOLS_EBB_DAEMON_NAMES_H_
#define EBB_TOOLS_EBB_DAEMON_NAMES_H_

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

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_DAEMON_NAMES_H_
