// How a command line says which cluster is meant.
#ifndef EBB_TOOLS_EBB_CLUSTER_ACCESS_FLAGS_H_
#define EBB_TOOLS_EBB_CLUSTER_ACCESS_FLAGS_H_

#include "CLI/CLI.hpp"
#include "tools/ebb/cluster/cluster_access.h"

namespace ebb::tools {

// Adds --scheduler, which EBB_SCHEDULER stands in for, --token-file and the
// flags of TLS.
void AddAccessFlags(CLI::App* command, ClusterAccess* access);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_ACCESS_FLAGS_H_
