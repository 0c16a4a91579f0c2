// One end of a bulk stream: frames to and from a connection.
#ifndef EBB_RPC_INTERNAL_BULK_STREAM_H_
#define EBB_RPC_INTERNAL_BULK_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "rpc/internal/bulk_memory.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/bulk_reader.h"
#include "rpc/internal/bulk_socket.h"

namespace ebb::rpc::internal {

struct BulkStreamOptions {
  // The same as in TransportOptions.
  absl::Duration keepalive_time = absl::Seconds(2);
  absl::Duration keepalive_timeout = absl::Seconds(2);
  // Messages that wait to be sent; beyond, the connection ends. Default 131072:
  // more than a peer that reads ever leaves.
  size_t most_waiting = size_t{1} << 17;
  // It also ends if the other side takes nothing for so long, or if a message
  // that has begun gets fewer than kBulkLeast bytes. Such a peer keeps room and
  // values that others need. Default 30 s: longer than a network may stall.
  absl::Duration stuck_after = absl::Seconds(30);
};

struct BulkOutgoing {
  uint32_t kind = 0;
  uint32_t status = 0;
  uint64_t id = 0;
  std::string token;
  Payload message;  // The header, then the values.
  // It is dropped if its turn comes later.
  absl::Time until = absl::InfiniteFuture();
};

// Sends what is small before what is large: a message of up to kBulkPart waits
// for a part of a large one at most, unless Order says otherwise. Messages that
// are alike in that stay in their order. A large one that waits gets a part of
// its own after kMostPassing bytes of small ones, however many more there are.
//
// Thread-safe, but that one thread calls Run(), once. No call but that blocks:
// the thread that sends writes as much as the connection takes, and Run() the
// rest. One thread writes at a time.
class BulkStream {
 public:
  static constexpr uint64_t kMostPassing = 4 * kBulkPart;

  // kInOrder: behind all that were sent so, of any size.
  enum class Order { kBySize, kInOrder };

  // The socket is connected, and neither side says anything but frames any
  // more.
  static absl::StatusOr<std::unique_ptr<BulkStream>> Make(
      std::unique_ptr<BulkSocket> socket, std::shared_ptr<BulkMemory> memory,
      const BulkStreamOptions& options, BulkReader::Admit admit = {});
  // Use Make().
  BulkStream(std::unique_ptr<BulkSocket> socket, Fd wake,
             std::shared_ptr<BulkMemory> memory,
             const BulkStreamOptions& options, BulkReader::Admit admit);

  const BulkMemory& memory() const { return *memory_; }

  // False: the connection has ended, or there is too much to send; then Run()
  // ends.
  bool Send(BulkOutgoing message, Order order);
  // All that was to be sent is the system's.
  bool AllSent() const;

  // Reads, until the connection ends or `handle` returns false. `tick` is
  // called once in kBulkLook at least, and returns when it wants to be called
  // next; none: that is all. Returns why it ended; OK: this side wanted it;
  // OutOfRange: the other side closed it between two messages.
  absl::Status Run(BulkReader::Handler handle,
                   absl::FunctionRef<std::optional<absl::Time>()> tick);
  // Run() calls `tick` soon.
  void Wake();

 private:
  // Bytes of the next write.
  struct Piece {
    std::shared_ptr<const void> owner;
    std::span<const std::byte> bytes;
  };
  // Puts frames together, until a write is large enough.
  class Batch {
   public:
    void AddFrame(const BulkFrame& frame, absl::string_view token);
    // Short slices are copied into one: each is work of its own to the kernel.
    void Add(const Payload::Slice& slice);
    std::deque<Piece> Take();
    size_t bytes() const { return bytes_; }

   private:
    void EndText();

    std::string text_;
    std::deque<Piece> pieces_;
    size_t bytes_ = 0;
  };
  // A message of which parts were sent.
  struct Partial {
    BulkOutgoing message;
    size_t slice = 0, offset = 0;  // The next byte.
    uint64_t values_left = 0;
  };

  // Writes, unless another thread does, or the connection takes nothing now.
  // At most about `most_bytes`: Run() goes on.
  void Flush(size_t most_bytes);
  // `used`: messages that are not needed any more.
  void FillLocked(std::vector<BulkOutgoing>* used)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void AddWhole(const BulkOutgoing& message, Batch* batch);
  static void AddPart(Partial* partial, Batch* batch);
  enum class Wrote { kSome, kBlocked, kBroken };
  // The writing thread's.
  Wrote WriteOnce();
  absl::Status Read(BulkReader::Handler handle, bool* all, bool* ended);
  // Asks for a sign of life, or says that there is none.
  absl::Status CheckLife(absl::Time now);
  absl::Status CheckTakes(absl::Time now);
  absl::Status CheckBrings(absl::Time now);
  void GiveBackMemory(absl::Time now);
  void Shut();

  const std::unique_ptr<BulkSocket> socket_;
  const Fd wake_;  // An eventfd.
  const BulkStreamOptions options_;

  // Run()'s.
  const std::shared_ptr<BulkMemory> memory_;
  absl::Time give_back_at_ = absl::InfinitePast();
  BulkReader reader_;
  absl::Time heard_;
  absl::Time asked_ = absl::InfiniteFuture();  // The ping that is not answered.
  // The state at the last look (CheckBrings).
  BulkReader::Unfinished unfinished_;
  absl::Time unfinished_since_ = absl::InfiniteFuture();

  // The writing thread's (writing_).
  std::deque<Piece> pieces_;

  mutable Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  // There is more to write than the connection takes: Run() waits for that.
  bool blocked_ ABSL_GUARDED_BY(mu_) = false;
  bool pieces_left_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time progress_ ABSL_GUARDED_BY(mu_);
  std::deque<BulkOutgoing> small_ ABSL_GUARDED_BY(mu_);
  std::deque<BulkOutgoing> ordered_ ABSL_GUARDED_BY(mu_);
  std::optional<Partial> partial_ ABSL_GUARDED_BY(mu_);
  // Bytes of small messages since the last part of a large one that waits.
  uint64_t passed_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_STREAM_H_
