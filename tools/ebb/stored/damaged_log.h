// What to say of a server's store whose log is damaged.
#ifndef EBB_TOOLS_EBB_STORED_DAMAGED_LOG_H_
#define EBB_TOOLS_EBB_STORED_DAMAGED_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/store/unread_log.h"
#include "tools/ebb/stored/checkpoint_source.h"

namespace ebb::tools {

struct DamagedLog {
  std::string server;  // "ps-0".
  std::string folder;  // Its state folder.
  std::vector<server::UnreadLog> unread;
  // All that are read of the job there.
  std::vector<VersionInfo> versions;
};

// Which bytes are not read, how new what is read is, of a job of so many
// examples in all epochs (absent: no job is known), and the next step. One
// line.
std::string DamagedLogText(const DamagedLog& damaged,
                           std::optional<int64_t> examples, absl::Time now);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_DAMAGED_LOG_H_
