#include "common/shm/shared_heap.h"

#include <fcntl.h>

#include "common/fd.h"
#include "common/shm/area.h"
#include "common/shm/memory_file.h"
#include "common/status_macros.h"

namespace ebb::shm {

struct SharedHeap::Core {
  Core(Fd file, Mapping memory)
      : fd(std::move(file)),
        mapping(std::move(memory)),
        area(static_cast<int64_t>(mapping.bytes().size())) {}

  std::optional<int64_t> Take(int64_t bytes) {
    MutexLock lock(&mu);
    return area.Take(bytes);
  }
  void Free(int64_t offset, int64_t bytes) {
    // Whole pages of it; where that is refused the memory stays for others.
    if (!ended) {
      fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                bytes);
    }
    MutexLock lock(&mu);
    area.Free(offset);
  }

  const Fd fd;
  const Mapping mapping;
  std::atomic<bool> ended = false;  // The heap is gone, readers may be there.
  Mutex mu;
  Area area ABSL_GUARDED_BY(mu);
};

absl::StatusOr<std::shared_ptr<SharedHeap>> SharedHeap::Create(int64_t bytes) {
  EBB_ASSIGN_OR_RETURN(Fd fd, CreateMemoryFile("ebb-worker-values", bytes));
  EBB_ASSIGN_OR_RETURN(Mapping mapping, MapToWrite(fd.get(), bytes));
  auto core = std::make_shared<Core>(std::move(fd), std::move(mapping));
  return std::shared_ptr<SharedHeap>(new SharedHeap(std::move(core)));
}

SharedHeap::~SharedHeap() { core_->ended = true; }

int SharedHeap::fd() const { return core_->fd.get(); }

int64_t SharedHeap::bytes() const {
  return static_cast<int64_t>(core_->mapping.bytes().size());
}

std::shared_ptr<std::byte> SharedHeap::Take(int64_t bytes) {
  if (!open_ || bytes <= 0) return nullptr;
  std::optional<int64_t> offset = core_->Take(bytes);
  if (!offset && !TakeUnread().empty()) offset = core_->Take(bytes);
  if (!offset) return nullptr;
  return {core_->mapping.bytes().data() + *offset,
          [core = core_, offset = *offset, bytes](std::byte* /*memory*/) {
            core->Free(offset, bytes);
          }};
}

std::optional<uint64_t> SharedHeap::OffsetOf(
    std::span<const std::byte> bytes) const {
  const std::byte* const first = core_->mapping.bytes().data();
  const std::byte* const end = first + core_->mapping.bytes().size();
  // For unrelated memory only std::less defines an order.
  const std::less<const std::byte*> before;
  if (before(bytes.data(), first) || before(end, bytes.data() + bytes.size())) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(bytes.data() - first);
}

void SharedHeap::Keep(std::vector<Payload> values,
                      std::function<bool()> unread) {
  TakeUnread();
  MutexLock lock(&mu_);
  kept_.push_back({std::move(values), std::move(unread)});
}

std::vector<SharedHeap::Kept> SharedHeap::TakeUnread() {
  std::vector<Kept> unread;
  MutexLock lock(&mu_);
  for (auto it = kept_.begin(); it != kept_.end();) {
    if (it->unread()) {
      unread.push_back(std::move(*it));
      it = kept_.erase(it);
    } else {
      ++it;
    }
  }
  return unread;
}

}  // namespace ebb::shm
