// How a command line names a stored job.
#ifndef EBB_TOOLS_EBB_CHECKPOINT_STORED_JOB_FLAGS_H_
#define EBB_TOOLS_EBB_CHECKPOINT_STORED_JOB_FLAGS_H_

#include <string>

#include "CLI/CLI.hpp"
#include "tools/ebb/checkpoint/checkpoint_source.h"

namespace ebb::tools {

// Adds --job, for a folder that holds several jobs.
void AddStoredJobFlag(CLI::App* command, std::string* job);
// Adds JOB, which is a cluster's job or a folder, with --job and the flags of a
// cluster's access.
void AddStoredJob(CLI::App* command, CheckpointPlace* place);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CHECKPOINT_STORED_JOB_FLAGS_H_
