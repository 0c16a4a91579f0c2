// The local rules of jobs' algorithms, those of plugins among them.
#ifndef EBB_WORKER_LOCAL_RULES_H_
#define EBB_WORKER_LOCAL_RULES_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "client/local_training.h"

namespace ebb::worker {

// For ClientShellOptions: plugins are loaded from these folders, and a push of
// several batches may have as many rows as fit into so many bytes of one push
// (rpc::TransportOptions). Besides the
// errors of client::LocalMathematicsOf and LoadAlgorithm its function has
// FailedPrecondition: the plugin plans otherwise than the one that the job was
// submitted with.
client::LocalTraining::Maker LocalRulesFrom(
    std::vector<std::string> plugin_folders,
    int64_t push_bytes = std::numeric_limits<int64_t>::max());

}  // namespace ebb::worker

#endif  // EBB_WORKER_LOCAL_RULES_H_
