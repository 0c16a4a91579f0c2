// Memory of this process that others of the machine read where it lies: what a
// worker computes here, servers need not be sent.
#ifndef EBB_COMMON_SHM_SHARED_HEAP_H_
#define EBB_COMMON_SHM_SHARED_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "common/payload.h"

namespace ebb::shm {

// Thread-safe. Memory taken from it may outlive it.
class SharedHeap {
 public:
  // The most that others map.
  static constexpr int64_t kMostBytes = int64_t{4} << 30;

  // Reserves address space for `bytes`. Memory is taken as it is used, and
  // freed memory is given back to the system. (So it is not sealed against
  // writers, which would forbid that: its reader is of the same user, and maps
  // it to read.) An error: the system refuses.
  static absl::StatusOr<std::shared_ptr<SharedHeap>> Create(int64_t bytes);
  // Its kept values are freed, but not written over: no memory is taken from it
  // any more.
  ~SharedHeap();
  SharedHeap(const SharedHeap&) = delete;
  SharedHeap& operator=(const SharedHeap&) = delete;

  // Returns memory that is aligned to 64 bytes and freed with its last owner.
  // Null: there is not enough room, or no process reads here.
  std::shared_ptr<std::byte> Take(int64_t bytes);

  // A process reads here, from now on.
  void Open() { open_ = true; }
  bool open() const { return open_; }

  // The file that a reader maps.
  int fd() const;
  int64_t bytes() const;
  // Returns the offset of the bytes; absent: they lie elsewhere.
  std::optional<uint64_t> OffsetOf(std::span<const std::byte> bytes) const;

  // Keeps values until `unread` says that no process can read them any more. It
  // calls `unread` when something else is kept, or nothing can be taken.
  void Keep(std::vector<Payload> values, std::function<bool()> unread);

 private:
  // The memory, as long as anything of it is held.
  struct Core;
  struct Kept {
    std::vector<Payload> values;
    std::function<bool()> unread;
  };

  explicit SharedHeap(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  // Returns those kept values that are unread.
  std::vector<Kept> TakeUnread();

  const std::shared_ptr<Core> core_;
  std::atomic<bool> open_ = false;
  Mutex mu_;
  std::vector<Kept> kept_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_SHARED_HEAP_H_
