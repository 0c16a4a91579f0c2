#include "rpc/rpc_roles.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "rpc/admin_rpcs.h"

namespace ebb::rpc {

namespace {

constexpr RoleSet kWorkers = {Role::kWorker};
constexpr RoleSet kServers = {Role::kServer};
// Each message is then allowed as its RPC is.
constexpr RoleSet kWorkersAndServers = {Role::kWorker, Role::kServer};
constexpr RoleSet kChange = {Role::kClient};
constexpr RoleSet kLook = {Role::kClient, Role::kViewer};

// A program that joins a job asks for it first, by name.
constexpr RoleSet kLookOrJoin = {Role::kClient, Role::kViewer, Role::kWorker};

// Workers train on it, and `ebb submit` indexes it. Servers read what jobs
// begin with: the service looks at the name.
constexpr RoleSet kData = {Role::kClient, Role::kWorker, Role::kServer};

#define EBB_OF_SCHEDULER(Name, roles, token) \
  {"/ebb.v1.Scheduler/" #Name, roles},
#define EBB_OF_PS(Name, roles, token) {"/ebb.v1.ParameterServer/" #Name, roles},

constexpr std::pair<absl::string_view, RoleSet> kTable[] = {
    {"/ebb.v1.Scheduler/WorkerSession", kWorkers},
    {"/ebb.v1.Scheduler/ServerSession", kServers},

    {"/ebb.v1.ParameterServer/Push", kWorkers},
    {"/ebb.v1.ParameterServer/PushMany", kWorkers},
    {"/ebb.v1.ParameterServer/Pull", kWorkers},
    {"/ebb.v1.ParameterServer/PushInPieces", kWorkers},
    {"/ebb.v1.ParameterServer/PullInPieces", kWorkers},
    {"/ebb.v1.ParameterServer/Clock", kWorkers},
    {"/ebb.v1.ParameterServer/Fetch", kServers},
    {"/ebb.v1.ParameterServer/ReadVersion", kLook},

    {"/ebb.v1.SharedMemory/OpenSharedMemory", kWorkers},
    {"/ebb.v1.BulkStream/OpenBulkStream", kWorkersAndServers},

    {"/ebb.v1.DataSets/BeginPush", kChange},
    {"/ebb.v1.DataSets/FindMissing", kChange},
    {"/ebb.v1.DataSets/PutChunk", kChange},
    {"/ebb.v1.DataSets/PublishSet", kChange},
    {"/ebb.v1.DataSets/RemoveSet", kChange},
    {"/ebb.v1.DataSets/ListSets", kLook},
    {"/ebb.v1.DataSets/OpenSet", kData},
    {"/ebb.v1.DataSets/FetchChunk", kData},

    // gRPC's own.
    {"/grpc.health.v1.Health/Check", RoleSet::All()},
    {"/grpc.health.v1.Health/Watch", RoleSet::All()},

    // The RPCs of people and tools, at the scheduler
    EBB_SCHEDULER_ADMIN_RPCS(EBB_OF_SCHEDULER)
    // and at the servers.
    EBB_PS_ADMIN_RPCS(EBB_OF_PS)};

#undef EBB_OF_PS
#undef EBB_OF_SCHEDULER

}  // namespace

RoleSet MayCall(absl::string_view path) {
  static const auto& table =
      *new absl::flat_hash_map<absl::string_view, RoleSet>(std::begin(kTable),
                                                           std::end(kTable));
  const auto found = table.find(path);
  return found == table.end() ? RoleSet() : found->second;
}

absl::Status CheckCaller(absl::string_view path,
                         const absl::StatusOr<Role>& role,
                         absl::string_view name) {
  const RoleSet allowed = MayCall(path);
  if (role.ok() && allowed.Has(*role)) return absl::OkStatus();
  constexpr size_t kMost = 64;  // Most bytes of a stranger's text.
  const absl::string_view rpc = path.substr(path.rfind('/') + 1);
  const std::string needed =
      absl::StrCat(absl::CHexEscape(rpc.substr(0, kMost)),
                   " needs a certificate of the "
                   "role ",
                   allowed.ToString());
  const std::string who =
      absl::StrCat("\"", absl::CHexEscape(name.substr(0, kMost)), "\"");
  if (!role.ok()) {
    return absl::PermissionDeniedError(
        absl::StrCat(needed, "; of ", who, ": ", role.status().message()));
  }
  return absl::PermissionDeniedError(absl::StrCat(
      needed, "; that of ", who, " is of the role ", RoleName(*role)));
}

}  // namespace ebb::rpc
