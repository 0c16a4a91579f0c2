// A server's end of a connection through shared memory.
#ifndef EBB_RPC_INTERNAL_SHARED_CONNECTION_H_
#define EBB_RPC_INTERNAL_SHARED_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/shm/file_table.h"
#include "common/shm/memory_file.h"
#include "common/shm/ring.h"
#include "common/shm/unix_socket.h"
#include "rpc/internal/served_call.h"
#include "rpc/internal/shared_protocol.h"

namespace ebb::rpc::internal {

// Shared by the connections of a listener (CallServices). Not owned.
struct SharedServices {
  PsHandler* data = nullptr;
  shm::FileTable* files = nullptr;
  Traffic* traffic = nullptr;
  int64_t most_bytes = 0;
  Guard guard = {};
};

// Everything that the worker may read or that it wrote is kept in the name of
// the connection, and goes with it, however the worker ended.
//
// Thread-safe, but that one thread calls Run(), once. The handler's answers
// keep it; what comes after Close() does nothing.
class SharedConnection : public std::enable_shared_from_this<SharedConnection> {
 public:
  // Greets the worker at `socket`, whose heap is mapped, if it has one. An
  // error: there is no room, or it is gone.
  static absl::StatusOr<std::shared_ptr<SharedConnection>> Open(
      const SharedServices& services, Fd socket, shm::Peer peer,
      shm::Mapping heap, const SharedHello& hello);
  // Use Open().
  SharedConnection(const SharedServices& services, Fd socket, shm::Peer peer,
                   shm::Mapping heap, shm::Mapping up, shm::Mapping down,
                   const SharedHello& hello);

  // Serves what the worker asks, until it is gone or talks nonsense, or until
  // Stop(). Then closes.
  void Run();
  // Takes no call any more once Traffic refuses them; ends Run() when none is
  // open, or at `until`. Memory that the worker may still read stays unchanged.
  void StopWhenIdle(absl::Time until);
  // The first answer to a call counts (CallTicket).
  void Answer(uint64_t id, const absl::Status& status, const Payload& message,
              bool is_push);
  bool closed() const;
  pid_t pid() const { return peer_.pid; }

 private:
  struct Pinned {
    Payload values;
    std::vector<shm::Run> runs;
  };

  // False: nonsense.
  bool Handle(const shm::Record& record);
  bool HandleCall(const shm::Record& record);
  // The values of a call, where the runs say; absent: there is no such place.
  std::optional<Payload> ValuesAt(uint64_t id,
                                  const std::vector<shm::Run>& runs);

  // Wakes the worker for an answer, if it sleeps. For answers of the thread in
  // Run() while it looks by itself soon, it wakes the worker when there is
  // nothing more to read; for pulls before any other work.
  void Wake(bool is_push);
  void WakeForAnswers();
  // True: the values lie where the worker can read them, and are kept; but for
  // those of no file, which go with the reply.
  bool PinLocked(uint64_t id, const Payload& values,
                 const std::vector<shm::Run>& runs)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False: it is answered elsewhere.
  bool ReplyValuesLocked(uint64_t id, std::span<const std::byte> header,
                         const Payload& values)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The worker has all files that the runs name.
  bool HandOverFilesLocked(const std::vector<shm::Run>& runs)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False: there is no room for `copied`, what goes with it, now. Without such
  // it is kept until there is.
  bool ReplyLocked(uint64_t id, uint32_t status,
                   const std::vector<shm::Run>& runs,
                   std::span<const std::byte> header,
                   std::span<const std::span<const std::byte>> copied = {})
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Freed(uint64_t id);
  size_t BacklogLength() const;
  // Sends messages that had no room. True: none is left.
  bool Flush();
  void Close(bool worker_may_read);

  const CallServices services_;
  shm::FileTable* const files_;  // Not owned.
  const Fd socket_;
  const shm::Peer peer_;
  const shm::Mapping heap_;  // The worker's; may be empty.
  const shm::Mapping up_;
  const shm::Mapping down_;
  const SharedHello hello_;
  shm::Link link_;  // Written to under mu_.

  // Belongs to the thread in Run(): it has answers for which it has not woken
  // the worker; a pull's is among them.
  bool unheard_ = false;
  bool unheard_pull_ = false;

  mutable Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time stop_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  uint32_t files_handed_over_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_set<uint64_t> open_ ABSL_GUARDED_BY(mu_);  // Calls.
  absl::flat_hash_map<uint64_t, Pinned> pinned_ ABSL_GUARDED_BY(mu_);
  std::deque<shm::Record> backlog_ ABSL_GUARDED_BY(mu_);  // Had no room.
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_CONNECTION_H_
