// Answers people and tools that ask a parameter server for ledgers and stored
// versions.
#ifndef EBB_SERVER_SERVER_ADMIN_H_
#define EBB_SERVER_SERVER_ADMIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/admin.h"
#include "server/server_shell.h"
#include "server/store/rocksdb_store.h"

namespace ebb::server {

// Ledgers come from the running core; versions from a second, read-only view
// of the store, so that looking never delays training. Thread-safe.
class ServerAdmin final : public rpc::PsAdminHandler {
 public:
  // Opens that view; see RocksDbStore::OpenReadOnly.
  using OpenStore =
      std::function<absl::StatusOr<std::unique_ptr<RocksDbStore>>()>;

  // `shell` is not owned and outlives the handler's calls.
  ServerAdmin(ServerId id, SessionId session, ServerShell* shell,
              OpenStore open_store)
      : id_(id),
        session_(session),
        shell_(shell),
        open_store_(std::move(open_store)) {}

  absl::StatusOr<JobRecordPtr> FindRecord(uint64_t job,
                                          const std::string& name) override;
  absl::Status GetLedgers(const v1::GetLedgersRequest& request,
                          v1::GetLedgersResponse* response) override;
  absl::Status ListVersions(const v1::ListVersionsRequest& request,
                            v1::ListVersionsResponse* response) override;
  absl::Status ReadVersion(const v1::ReadVersionRequest& request,
                           const Emit& emit) override;
  absl::Status VerifyVersions(const v1::VerifyVersionsRequest& request,
                              v1::VerifyVersionsResponse* response) override;

 private:
  const ServerId id_;
  const SessionId session_;
  ServerShell* const shell_;  // Not owned.
  const OpenStore open_store_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_SERVER_ADMIN_H_
