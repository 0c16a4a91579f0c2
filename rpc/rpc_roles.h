// Which roles may call what, over TLS: the one table of it.
#ifndef EBB_RPC_RPC_ROLES_H_
#define EBB_RPC_RPC_ROLES_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tls/role.h"

namespace ebb::rpc {

// The roles that may call an RPC as HTTP/2 names it,
// "/ebb.v1.Scheduler/SubmitJob". None may call an RPC that is not in the table.
RoleSet MayCall(absl::string_view path);

// PermissionDenied: the peer, whose certificate's common name is `name`, may
// not call it; the message names the required roles and those of the
// certificate.
absl::Status CheckCaller(absl::string_view path,
                         const absl::StatusOr<Role>& role,
                         absl::string_view name);

}  // namespace ebb::rpc

#endif  // EBB_RPC_RPC_ROLES_H_
