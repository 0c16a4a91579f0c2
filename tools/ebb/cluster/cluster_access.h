// How a command reaches a cluster: its scheduler's address, and the command's
// identity there.
#ifndef EBB_TOOLS_EBB_CLUSTER_CLUSTER_ACCESS_H_
#define EBB_TOOLS_EBB_CLUSTER_CLUSTER_ACCESS_H_

#include <string>

#include "absl/status/status.h"
#include "common/tls/tls_settings.h"
#include "rpc/admin.h"
#include "rpc/security.h"

namespace ebb::tools {

struct ClusterAccess {
  std::string scheduler;
  // True if the user named it, by flag or environment.
  bool named = false;
  TlsSettings tls;
  // File with the token of a job; empty: looks for tokens where `ebb submit`
  // puts them.
  std::string token_file;
  rpc::SecurityPtr security;  // Made of `tls` by Open.

  // Before anything is asked. InvalidArgument: as of Security::Create. Warns on
  // standard error of plain text to another machine. `submits`: the token's
  // file need not be there.
  absl::Status Open(bool submits = false);
  rpc::SchedulerAdminClient Scheduler() const {
    return rpc::SchedulerAdminClient(scheduler, security);
  }
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_CLUSTER_ACCESS_H_
