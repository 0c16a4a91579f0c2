#include "tools/ebb/cluster/cluster_access.h"

#include <iostream>

#include "common/status_macros.h"
#include "common/tls/job_token.h"
#include "tools/ebb/cluster/token_files.h"

namespace ebb::tools {

absl::Status ClusterAccess::Open(bool submits) {
  EBB_ASSIGN_OR_RETURN(
      security, rpc::Security::Create(tls, {Role::kClient, Role::kViewer}));
  if (security->insecure() && !IsLocalAddress(scheduler)) {
    std::cerr << "ebb: INSECURE: " << scheduler
              << " is spoken to in plain text (--insecure): any machine on the "
                 "way can read and change it\n";
  }
  if (!security->warning().empty()) {
    std::cerr << "ebb: " << security->warning() << "\n";
  }
  if (const std::string warning = TokenFileWarning(token_file);
      !warning.empty()) {
    std::cerr << "ebb: " << warning << "\n";
  }
  if (security->tokens() == nullptr || submits) return absl::OkStatus();
  if (token_file.empty()) {
    security->tokens()->SetFind([folder = TokenFolder()](JobId job) {
      return KnownToken(folder, job);
    });
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(std::string token, ReadJobToken(token_file));
  security->tokens()->SetFind(
      [token = std::move(token)](JobId) { return std::string(token); });
  return absl::OkStatus();
}

}  // namespace ebb::tools
