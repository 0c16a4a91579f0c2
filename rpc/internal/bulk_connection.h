// A server's end of a bulk stream.
#ifndef EBB_RPC_INTERNAL_BULK_CONNECTION_H_
#define EBB_RPC_INTERNAL_BULK_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/tls/role.h"
#include "rpc/internal/bulk_stream.h"
#include "rpc/internal/served_call.h"

namespace ebb::rpc::internal {

// The certificate that the other side showed.
struct BulkPeer {
  std::optional<Role> role;  // None: without TLS, every call is allowed.
  std::string name;
};

// Thread-safe, but that one thread calls Run(), once. The handler's answers
// keep it; what comes after its end does nothing.
class BulkConnection : public std::enable_shared_from_this<BulkConnection> {
 public:
  BulkConnection(const CallServices& services,
                 std::unique_ptr<BulkStream> stream, BulkPeer peer = {});
  // Checks the role and the token of a large message, before its values take
  // room. Counts refusals.
  static BulkReader::Admit Admission(const CallServices& services,
                                     const BulkPeer& peer);

  // Serves what the other side asks, until it is gone or talks nonsense, or
  // until Stop(). Then closes.
  void Run();
  // Takes no call any more once Traffic refuses them; ends Run() when none is
  // open, or at `until`.
  void StopWhenIdle(absl::Time until);
  // The first answer to a call counts (CallTicket).
  void Answer(uint64_t id, const absl::Status& status, const Payload& message,
              bool is_push);
  bool closed() const;

 private:
  // False: nonsense.
  bool Handle(const BulkMessage& call);
  // None: it is to stop now.
  std::optional<absl::Time> Tick();
  void Reply(uint64_t id, const absl::Status& status, const Payload& message);
  void Close();

  const CallServices services_;
  const std::unique_ptr<BulkStream> stream_;
  const BulkPeer peer_;

  mutable Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time stop_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  absl::flat_hash_set<uint64_t> open_ ABSL_GUARDED_BY(mu_);  // Calls.
  int replying_ ABSL_GUARDED_BY(mu_) = 0;  // Answers not yet with the stream.
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_CONNECTION_H_
