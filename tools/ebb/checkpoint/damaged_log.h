// The message about a server's store with a damaged log.
#ifndef EBB_TOOLS_EBB_CHECKPOINT_DAMAGED_LOG_H_
#define EBB_TOOLS_EBB_CHECKPOINT_DAMAGED_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/store/unread_log.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"

namespace ebb::tools {

struct DamagedLog {
  std::string server;  // "ps-0".
  std::string folder;  // Its state folder.
  std::vector<server::UnreadLog> unread;
  // All that are read of the job there.
  std::vector<VersionInfo> versions;
};

// Says in one line which bytes are not read, how new the read part is, and the
// next step. `examples` are those of the job in all epochs; absent: no job is
// known.
std::string DamagedLogText(const DamagedLog& damaged,
                           std::optional<int64_t> examples, absl::Time now);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CHECKPOINT_DAMAGED_LOG_H_
