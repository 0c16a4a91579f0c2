// Commands that ask a scheduler, about one job or all.
#ifndef EBB_TOOLS_EBB_CLUSTER_ASKING_H_
#define EBB_TOOLS_EBB_CLUSTER_ASKING_H_

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/cluster/cluster_access.h"

namespace ebb::tools {

struct AskingFlags {
  ClusterAccess access;
  std::string job;  // Name or number; empty: all jobs.
  bool json = false;
};

// Adds the command `name` with the flags of the cluster's access. `run` is
// called when the command line names the command and the access is open; its
// result becomes the exit code. The flags outlive the command line's parse.
CLI::App* AddAsking(CLI::App* app, const std::string& name,
                    const std::string& help, AskingFlags* flags,
                    std::function<int()> run, int* exit_code);
// The same, with the argument JOB.
CLI::App* AddJobAsking(CLI::App* app, const std::string& name,
                       const std::string& help, AskingFlags* flags,
                       std::function<int()> run, int* exit_code);

// Asks for the status of the job that the flags name, or of all jobs.
absl::StatusOr<v1::GetStatusResponse> AskStatus(const AskingFlags& flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_ASKING_H_
