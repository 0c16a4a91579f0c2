// How a command line names a job file, and what it changes of it.
#ifndef EBB_TOOLS_EBB_JOB_JOB_FLAGS_H_
#define EBB_TOOLS_EBB_JOB_JOB_FLAGS_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "tools/ebb/job/submission.h"

namespace ebb::tools {

// JOB.yaml, --set, --epochs, --seed, --allow-plugins.
struct JobFlags {
  std::string file;
  std::vector<std::string> set;
  std::string epochs;
  std::string seed;
  std::vector<std::string> plugin_folders;

  JobChoice Choice() const;
};
void AddJobFlags(CLI::App* command, JobFlags* flags);
// Adds --allow-plugins, for folders that exist.
void AddPluginsFlag(CLI::App* command, std::vector<std::string>* folders);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_JOB_FLAGS_H_
