// The way to one parameter server through shared memory where that is possible.
#ifndef EBB_RPC_INTERNAL_SHARED_CHANNEL_H_
#define EBB_RPC_INTERNAL_SHARED_CHANNEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/shared_protocol.h"
#include "rpc/internal/shared_session.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// Asks a server for an offer, over the network.
class SharedAsker {
 public:
  virtual ~SharedAsker() = default;
  // Blocks for a few seconds at most.
  virtual absl::StatusOr<SharedOffer> Ask() = 0;
  // From another thread: Ask() returns soon, now and later.
  virtual void Cancel() = 0;
};

class SharedChannel : public PreferredChannel {
 public:
  // `most_bytes` of a push, or of the answer to a pull. `heap` as of
  // SharedSession::Open; `address` for the log.
  SharedChannel(const std::string& address, std::unique_ptr<PsChannel> network,
                std::unique_ptr<SharedAsker> asker, int64_t most_bytes,
                std::shared_ptr<shm::SharedHeap> heap = nullptr,
                Guard guard = {});

  // Asks now. Whether calls go through shared memory before `limit` is over.
  bool AwaitShared(absl::Duration limit) { return AwaitSession(limit); }
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_CHANNEL_H_
