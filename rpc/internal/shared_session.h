// A worker's end of a connection through shared memory.
#ifndef EBB_RPC_INTERNAL_SHARED_SESSION_H_
#define EBB_RPC_INTERNAL_SHARED_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/shm/area.h"
#include "common/shm/memory_file.h"
#include "common/shm/ring.h"
#include "common/shm/shared_heap.h"
#include "common/shm/unix_socket.h"
#include "rpc/internal/call_done.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/shared_protocol.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// Values that were pulled keep it: the server keeps them unchanged for as long
// as the connection is there, so that is closed with the last of them.
class SharedSession : public PreferredSession,
                      public std::enable_shared_from_this<SharedSession> {
 public:
  // Connects and is greeted, within a few seconds. Values of pushes that lie in
  // `heap`, which may be null, the server reads there, all others are copied.
  // An error: the server is gone, of another user, or speaks another language.
  static absl::StatusOr<std::shared_ptr<SharedSession>> Open(
      const SharedOffer& offer, int64_t most_bytes,
      std::shared_ptr<shm::SharedHeap> heap = nullptr, Guard guard = {});
  // Use Open().
  SharedSession(Fd socket, shm::Peer peer, shm::Mapping up, shm::Mapping down,
                const SharedHello& hello, int64_t most_bytes,
                std::shared_ptr<shm::SharedHeap> heap, Guard guard);
  ~SharedSession() override;

  bool Push(PushRequest* request, absl::Time deadline,
            PsChannel::PushDone* done) override;
  bool Pull(const PullRequest& request, absl::Time deadline,
            PsChannel::PullDone* done) override;
  bool Clock(const ClockUpdate& update) override;

  void Run(const Elsewhere& elsewhere) override;
  void Stop() override;
  void Close(const absl::Status& status) override;

 private:
  // Memory that the server reads for a call.
  struct Lent {
    std::vector<shm::Run> runs;  // With offsets of the area from its place.
    Payload in_heap;
    Payload copied;  // To the area, when there is a place.
    std::optional<int64_t> place;
  };
  struct Call {
    uint32_t kind = kSharedClock;
    std::string token;  // The worker's token for the call's job; or empty.
    std::string header;
    Lent lent;  // Until it is sent.
    absl::Time deadline;
    CallDone done;
    PullRequest pull;  // Set if it is a pull.
  };
  class Grant;

  bool Start(const Payload& message, Call* call);
  // Sends what waits for that, as far as there is room.
  void Flush();
  // Which of the values are copied, and where the server finds all of them.
  Lent Lend(const Payload& values) const;
  // Takes the oldest waiting call, with a place for bytes to copy. False: no
  // call can be sent now.
  bool TakeNext(uint64_t* id, Lent* lent);
  // False: there is no room, and it waits again.
  bool SendNow(uint64_t id, Lent lent);
  void WaitForRoomLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False: nonsense.
  bool Handle(shm::Record&& record, const Elsewhere& elsewhere);
  bool HandleReply(shm::Record&& record, const Elsewhere& elsewhere);
  bool Freed(uint64_t id);
  // Returns the values of the runs. A Grant keeps those in the server's files;
  // `own` are those in no file. False: the runs are malformed.
  bool Values(uint64_t id, const std::vector<shm::Run>& runs,
              const Payload::Slice& own, Payload* to);
  // The mapping of the server's file; null: there is none.
  const shm::Mapping* FileOf(uint32_t number);
  void Expire();
  void Release(uint64_t id);

  const Fd socket_;
  shm::Peer peer_;  // Constant to the end.
  const shm::Mapping up_;
  const shm::Mapping down_;
  const SharedHello hello_;
  const int64_t most_bytes_;
  const std::shared_ptr<shm::SharedHeap> heap_;  // May be null.
  const Guard guard_;
  shm::Link link_;  // Written to under mu_.

  // Used by Run() only. A deque: the elements stay where they are.
  std::deque<shm::Mapping> files_;

  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool copying_ ABSL_GUARDED_BY(mu_) = false;  // Some thread is in Flush().
  shm::Area area_ ABSL_GUARDED_BY(mu_);
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Call>> calls_
      ABSL_GUARDED_BY(mu_);
  // By call: memory that was lent, until the server says that it does not read
  // it any more.
  absl::flat_hash_map<uint64_t, Lent> lent_ ABSL_GUARDED_BY(mu_);
  std::deque<uint64_t> waiting_ ABSL_GUARDED_BY(mu_);    // Calls, not yet sent.
  std::vector<uint64_t> releases_ ABSL_GUARDED_BY(mu_);  // The same.
  absl::Time next_deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_SESSION_H_
