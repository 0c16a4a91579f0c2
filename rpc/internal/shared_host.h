// The place where workers of the same machine and user connect to a server's
// memory.
#ifndef EBB_RPC_INTERNAL_SHARED_HOST_H_
#define EBB_RPC_INTERNAL_SHARED_HOST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/shm/memory_file.h"
#include "rpc/internal/offers.h"
#include "rpc/internal/served_connections.h"
#include "rpc/internal/shared_connection.h"
#include "rpc/internal/shared_protocol.h"

namespace ebb::rpc::internal {

// Thread-safe. Threads of its own: one accepts, and each connection has one.
class SharedHost {
 public:
  // Unavailable: the system has no such sockets.
  static absl::StatusOr<std::unique_ptr<SharedHost>> Start(
      const SharedServices& services);
  ~SharedHost();

  // For one connection, within a few seconds. See the RPC for errors.
  absl::StatusOr<SharedOffer> Offer(uint32_t version,
                                    absl::string_view boot_id);

  // Ends all connections: when their calls have ended, or at `until`. No call
  // may begin any more (Traffic).
  void Stop(absl::Time until);

 private:
  SharedHost(const SharedServices& services, SharedHello hello,
             std::string name, Fd listening, Fd stop);
  absl::Status HasRoom() const;
  void Accept();
  absl::Status Welcome(Fd socket);

  const SharedServices services_;
  const SharedHello hello_;
  const std::string name_;
  const std::string boot_id_;
  const Fd listening_;
  const Fd stop_;  // An eventfd.

  Offers offers_{"shared memory"};
  ServedConnections<SharedConnection> served_;
  std::thread accepting_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_HOST_H_
