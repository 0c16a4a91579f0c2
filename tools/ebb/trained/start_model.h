// Reads the model with which another job begins (`start:`).
#ifndef EBB_TOOLS_EBB_TRAINED_START_MODEL_H_
#define EBB_TOOLS_EBB_TRAINED_START_MODEL_H_

#include "tools/ebb/cluster/cluster_access.h"
#include "tools/ebb/job/start_values.h"

namespace ebb::tools {

// For JobChoice::open_model. It reads what `ebb checkpoint export` reads: jobs
// of the cluster, folders of runs, and shared checkpoints.
ModelOpener OpenStoredModels(const ClusterAccess& access);
// The same for a command that knows no cluster.
ModelOpener OpenModelsInFolders();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_TRAINED_START_MODEL_H_
