// The transport over the network, by gRPC's callback API.
//
// Serves, beside the data and the sessions, the admin handlers and the
// standard health service. Pushes and pulls pass protobuf by (wire.h); a
// payload is sent from the sender's memory and received in gRPC's.
//
// gRPC runs all callbacks of the process on its own few threads, between 2 and
// 16: never block in one.
#ifndef EBB_RPC_GRPC_TRANSPORT_H_
#define EBB_RPC_GRPC_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rpc/security.h"
#include "rpc/transport.h"

namespace ebb::datasets {
class SetStore;
}  // namespace ebb::datasets

namespace ebb::rpc::internal {
class BulkHost;
class KeptKeys;
class TlsContext;
class Traffic;
}  // namespace ebb::rpc::internal

namespace ebb::rpc {

// The data sets of a daemon, which clients push and workers read; and those
// that jobs begin with, which servers read. Null: it has none.
struct DataStores {
  datasets::SetStore* sets = nullptr;
  datasets::SetStore* initial = nullptr;
};

// Thread-safe. Addresses are "host:port", or what else gRPC understands.
class GrpcTransport : public Transport {
 public:
  // `options` are valid. `received_bytes` bounds the memory of messages that
  // the data plane of a listener receives, with those that its handler still
  // holds. Beyond it, as many calls as necessary end with kResourceExhausted or
  // kUnavailable. Sessions do not count. Values that workers would write to
  // shared memory do not count, so with a bound shared memory is not offered.
  // Half of it is for bulk streams, if there are any. 0: no bound. Without TLS
  // in `security` it listens and connects within this machine only: else
  // listening is kInvalidArgument, and connections are kUnavailable.
  explicit GrpcTransport(TransportOptions options = {},
                         int64_t received_bytes = 0,
                         SecurityPtr security = nullptr);

  // Before ListenScheduler: its listeners serve these data sets, too. The
  // stores are not owned and outlive them.
  void ServeData(DataStores stores) { data_ = stores; }

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override;
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override;
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override;
  std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) override;
  std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) override;

 private:
  absl::StatusOr<std::unique_ptr<internal::BulkHost>> StartBulk(
      const std::string& address, const PsServices& services,
      internal::Traffic* traffic, internal::KeptKeys* kept_keys,
      int64_t room_bytes) const;

  const TransportOptions options_;
  const int64_t received_bytes_;
  const SecurityPtr security_;
  // For bulk streams; null: plain text.
  const std::shared_ptr<internal::TlsContext> tls_;
  DataStores data_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_GRPC_TRANSPORT_H_
