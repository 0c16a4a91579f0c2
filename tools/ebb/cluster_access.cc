#include "tools/ebb/cluster_access.h"

#include <iostream>

#include "common/status_macros.h"

namespace ebb::tools {

absl::Status ClusterAccess::Open() {
  EBB_ASSIGN_OR_RETURN(
      security, rpc::Security::Create(tls, {Role::kClient, Role::kViewer}));
  if (security->insecure() && !IsLocalAddress(scheduler)) {
    std::cerr << "ebb: INSECURE: " << scheduler
              << " is spoken to in plain text (--insecure): whoever is on the "
                 "way can read and change it\n";
  }
  if (!security->warning().empty()) {
    std::cerr << "ebb: " << security->warning() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace ebb::tools
