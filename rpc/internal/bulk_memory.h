// Where the values that a bulk stream brings lie.
#ifndef EBB_RPC_INTERNAL_BULK_MEMORY_H_
#define EBB_RPC_INTERNAL_BULK_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "rpc/internal/assembly_room.h"

namespace ebb::rpc::internal {

// Blocks of memory, and the room that all messages together may take, until
// their last reader has let go of them. Blocks outlive it. Thread-safe.
class BulkMemory : public std::enable_shared_from_this<BulkMemory> {
 public:
  // Large values come in blocks of this size.
  static constexpr size_t kBlockBytes = size_t{256} << 10;

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

  int64_t room_bytes() const { return room_.bytes(); }
  int64_t taken_bytes() const { return room_.taken(); }

 private:
  void Give(std::byte* block);

  AssemblyRoom room_;
  const size_t most_kept_;  // Blocks.
  Mutex mu_;
  // The last one in is the first one out: it is most likely in a cache.
  std::vector<std::byte*> free_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_MEMORY_H_
