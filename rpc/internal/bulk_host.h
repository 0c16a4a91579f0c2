// The port at which workers and servers of other machines open bulk streams.
#ifndef EBB_RPC_INTERNAL_BULK_HOST_H_
#define EBB_RPC_INTERNAL_BULK_HOST_H_

#include <poll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "rpc/internal/bulk_connection.h"
#include "rpc/internal/bulk_memory.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/bulk_socket.h"
#include "rpc/internal/bulk_stream.h"
#include "rpc/internal/offers.h"
#include "rpc/internal/served_call.h"
#include "rpc/internal/served_connections.h"
#include "rpc/internal/tls_context.h"
#include "rpc/internal/tls_socket.h"

namespace ebb::rpc::internal {

struct BulkHostOptions {
  std::string host;  // The server listens there.
  int port = 0;      // 0: a free one.
  // Bytes for all messages together, and of unused blocks (BulkMemory). Give
  // at least the largest message. Default 0: no message has room.
  int64_t room_bytes = 0;
  int64_t kept_bytes = 0;
  BulkStreamOptions stream = {};
  std::shared_ptr<TlsContext> tls = {};  // Null: plain text.
  // A connection changes its keys after so many bytes; less in tests only.
  uint64_t tls_key_bytes = TlsSocket::kKeyBytes;
};

// Thread-safe. Threads of its own: one accepts, and each connection has one.
class BulkHost {
 public:
  // Unavailable: the port cannot be listened at.
  static absl::StatusOr<std::unique_ptr<BulkHost>> Start(
      const CallServices& services, const BulkHostOptions& options);
  ~BulkHost();

  int port() const { return port_; }
  // The token of an offer, for one connection, within a few seconds. With TLS
  // the connection's certificate must be of `name`. See the RPC for errors.
  absl::StatusOr<std::string> Offer(uint32_t version,
                                    absl::string_view name = "");

  // Ends all connections: when their calls have ended, or at `until`. No call
  // may begin any more (Traffic).
  void Stop(absl::Time until);

  const BulkMemory& memory() const { return *memory_; }

 private:
  // A connection whose greeting is not complete.
  struct Guest {
    std::unique_ptr<BulkSocket> socket;
    absl::Time until;
    TlsSocket* shaking = nullptr;  // The socket, until its handshake is done.
    BulkPeer peer = {};            // From its certificate.
    int16_t events = POLLIN;       // It waits for these.
    std::array<char, sizeof(BulkGreeting)> bytes = {};
    size_t got = 0;
  };

  BulkHost(const CallServices& services, const BulkHostOptions& options,
           int port, Fd listening, Fd stop);
  absl::Status HasRoom() const;
  void Accept();
  absl::StatusOr<Guest> Receive(Fd socket);
  // Reads what came of its greeting. False: it is a guest no more.
  bool Hear(Guest* guest);
  absl::StatusOr<bool> HearOf(Guest* guest);
  // Goes on with its handshake. False: more of it is to come.
  absl::StatusOr<bool> Shake(Guest* guest);
  absl::Status Welcome(Guest* guest);

  const CallServices services_;
  const BulkHostOptions options_;
  const std::shared_ptr<BulkMemory> memory_;
  const int port_;
  const Fd listening_;
  const Fd stop_;  // An eventfd.
  Offers offers_{"a bulk stream"};
  ServedConnections<BulkConnection> served_;
  std::thread accepting_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_HOST_H_
