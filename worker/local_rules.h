// The local rules of jobs' algorithms, those of plugins among them.
#ifndef EBB_WORKER_LOCAL_RULES_H_
#define EBB_WORKER_LOCAL_RULES_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "client/local_training.h"

namespace ebb::worker {

// For ClientShellOptions. Plugins are loaded from these folders. A push of
// several batches may have as many rows as fit into this many bytes of one push
// (rpc::TransportOptions). Errors of its function, besides those of
// client::LocalMathematicsOf and LoadAlgorithm: FailedPrecondition: the plugin
// has another plan than the one with which the job was submitted.
client::LocalTraining::Maker LocalRulesFrom(
    std::vector<std::string> plugin_folders,
    int64_t push_bytes = std::numeric_limits<int64_t>::max());

}  // namespace ebb::worker

#endif  // EBB_WORKER_LOCAL_RULES_H_
