// A worker's end of a bulk stream, or that of a server which fetches.
#ifndef EBB_RPC_INTERNAL_BULK_SESSION_H_
#define EBB_RPC_INTERNAL_BULK_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/bulk_stream.h"
#include "rpc/internal/call_done.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/key_lists.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/tls_context.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// Asks a server for an offer, over the network.
class BulkAsker {
 public:
  virtual ~BulkAsker() = default;
  // Blocks for a few seconds at most.
  virtual absl::StatusOr<BulkOffer> Ask() = 0;
  // From another thread: Ask() returns soon, now and later.
  virtual void Cancel() = 0;
};

// The options of a session, besides an offer.
struct BulkSessionOptions {
  TransportOptions transport = {};
  Guard guard = {};  // Checks the messages; default: all may pass.
  // Shared by all ways to the server.
  std::shared_ptr<SentKeys> sent_keys = std::make_shared<SentKeys>();
  std::shared_ptr<TlsContext> tls = {};  // Null: plain text.
};

// Asks, connects and greets, as often as TransportOptions::bulk_streams says.
absl::StatusOr<std::unique_ptr<SessionOpener>> MakeBulkOpener(
    std::unique_ptr<BulkAsker> asker, BulkSessionOptions options);

class BulkSession : public PreferredSession {
 public:
  // Connects and is greeted, or until `cancel` can be read. FailedPrecondition:
  // the port is out of reach. PermissionDenied: what answers there is not the
  // server, or refuses this process's certificate.
  static absl::StatusOr<std::shared_ptr<PreferredSession>> Open(
      const BulkOffer& offer, const BulkSessionOptions& options, int cancel);
  // Use Open(). A message of more than `most_bytes` goes another way.
  BulkSession(std::unique_ptr<BulkStream> stream, int64_t most_bytes,
              Guard guard, std::shared_ptr<SentKeys> sent_keys);

  bool Push(PushRequest* request, absl::Time deadline,
            PsChannel::PushDone* done) override;
  bool Pull(const PullRequest& request, absl::Time deadline,
            PsChannel::PullDone* done) override;
  bool Clock(const ClockUpdate& update) override;
  bool Fetch(const FetchRequest& request, absl::Time deadline,
             PsChannel::FetchDone* done) override;

  void Run(const Elsewhere& elsewhere) override;
  void Stop() override;
  void StopWhenIdle() override;
  bool EndedInOrder() const override;
  void Close(const absl::Status& status) override;

  // The memory for what the server sends.
  const BulkMemory& memory() const { return stream_->memory(); }

 private:
  struct Call {
    absl::Time deadline;
    CallDone done;
    std::optional<PushRequest> whole;  // Set if the message names keys.
    KeyLists lists;                    // The keys that a pull asks for.
  };

  // Begins a call, which is taken. False: it must go another way.
  bool Start(BulkOutgoing message, BulkStream::Order order, Call* call);
  // The server lacks keys that the push names, and has not judged it.
  void SendAgain(Call call);
  // False: nonsense.
  bool Handle(const BulkMessage& reply);
  // Ends the calls that are late. Returns the next deadline; none: Run() is to
  // return.
  std::optional<absl::Time> Expire();

  const std::unique_ptr<BulkStream> stream_;
  const int64_t most_bytes_;
  const Guard guard_;
  const std::shared_ptr<SentKeys> sent_keys_;

  mutable Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;  // When it is idle.
  bool in_order_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, Call> calls_ ABSL_GUARDED_BY(mu_);
  absl::Time next_deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_SESSION_H_
