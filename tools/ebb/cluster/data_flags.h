// Data that jobs name ebb://NAME/PATH, for commands that read it: the scheduler
// keeps it, and it is fetched into a folder of this machine.
#ifndef EBB_TOOLS_EBB_CLUSTER_DATA_FLAGS_H_
#define EBB_TOOLS_EBB_CLUSTER_DATA_FLAGS_H_

#include <cstdint>
#include <string>

#include "CLI/CLI.hpp"
#include "data/byte_source.h"
#include "tools/ebb/cluster/cluster_access.h"

namespace ebb::tools {

struct DataFlags {
  std::string cache;
  uint64_t cache_bytes = uint64_t{10} << 30;
};

// --data-cache and --data-cache-bytes.
void AddDataFlags(CLI::App* command, DataFlags* flags);

// Opens files, and what the cluster keeps from there: `access` is opened, if it
// was not, and a folder made only when something is fetched. An error names the
// scheduler that does not answer.
data::OpenBytes OpenFromCluster(const ClusterAccess& access,
                                const DataFlags& flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_DATA_FLAGS_H_
