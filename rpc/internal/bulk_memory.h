// The memory for the values that a bulk stream brings.
#ifndef EBB_RPC_INTERNAL_BULK_MEMORY_H_
#define EBB_RPC_INTERNAL_BULK_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "rpc/internal/assembly_room.h"

namespace ebb::rpc::internal {

// Blocks of memory, and the room that all messages together may take, until
// their last reader has let go of them. Blocks outlive it. It keeps unused
// blocks for the next message, but not for long: after a partition has moved
// there is no large one. Thread-safe.
class BulkMemory : public std::enable_shared_from_this<BulkMemory> {
 public:
  // Large values come in blocks of this size.
  static constexpr size_t kBlockBytes = size_t{256} << 10;
  // A block that was not used for as long goes back to the system.
  static constexpr absl::Duration kKeptFor = absl::Seconds(1);

  // A message's share of the room, which ends with it.
  using Lease = std::shared_ptr<const void>;

  // Keeps at most `kept_bytes` of unused blocks.
  static std::shared_ptr<BulkMemory> Make(int64_t room_bytes,
                                          int64_t kept_bytes);
  // Use Make().
  BulkMemory(int64_t room_bytes, int64_t kept_bytes);
  ~BulkMemory();

  // OutOfRange: more than there ever is. ResourceExhausted: there is no room
  // now.
  absl::StatusOr<Lease> Take(int64_t bytes);
  // The memory for the next `bytes` of a message, aligned to 64 bytes: at most
  // kBlockBytes of it.
  std::shared_ptr<std::byte> Block(size_t bytes, Lease lease);
  // Gives blocks back that were not used in the last kKeptFor. Call it now and
  // then; what is unused is gone after the second call that is so much later.
  void GiveBackUnused(absl::Time now);

  int64_t room_bytes() const { return room_.bytes(); }
  int64_t taken_bytes() const { return room_.taken(); }
  // Memory of unused blocks.
  int64_t kept_bytes() const;

 private:
  void Give(std::byte* block);

  AssemblyRoom room_;
  const size_t most_kept_;  // Blocks.
  mutable Mutex mu_;
  // The last one in is the first one out: it is most likely in a cache.
  std::vector<std::byte*> free_ ABSL_GUARDED_BY(mu_);
  // The first so many of them were free all the time since the last look.
  size_t unused_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time next_look_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_MEMORY_H_
