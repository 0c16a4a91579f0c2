#include "rpc/internal/bulk_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "common/status_macros.h"
#include "rpc/internal/served_call.h"

namespace ebb::rpc::internal {

namespace {

constexpr std::align_val_t kAlignment{64};

// A block is whole pages.
constexpr std::align_val_t kBlockAlignment{4096};

std::byte* NewBytes(size_t bytes) {
  return static_cast<std::byte*>(::operator new(bytes, kAlignment));
}
void DeleteBytes(std::byte* bytes) { ::operator delete(bytes, kAlignment); }

std::byte* NewBlock() {
  return static_cast<std::byte*>(
      ::operator new(BulkMemory::kBlockBytes, kBlockAlignment));
}
void DeleteBlock(std::byte* block) {
  ::operator delete(block, kBlockAlignment);
}

}  // namespace

std::shared_ptr<BulkMemory> BulkMemory::Make(int64_t room_bytes,
                                             int64_t kept_bytes) {
  return std::make_shared<BulkMemory>(room_bytes, kept_bytes);
}

BulkMemory::BulkMemory(int64_t room_bytes, int64_t kept_bytes)
    : room_(room_bytes),
      most_kept_(static_cast<size_t>(kept_bytes) / kBlockBytes) {}

BulkMemory::~BulkMemory() {
  for (std::byte* block : free_) DeleteBlock(block);
}

absl::StatusOr<BulkMemory::Lease> BulkMemory::Take(int64_t bytes) {
  if (bytes > room_.bytes()) return TooLarge(bytes, room_.bytes());
  EBB_RETURN_IF_ERROR(room_.Take(bytes));
  struct Share {
    ~Share() { memory->room_.Give(bytes); }
    std::shared_ptr<BulkMemory> memory;
    int64_t bytes = 0;
  };
  auto share = std::make_shared<Share>();
  share->memory = shared_from_this();
  share->bytes = bytes;
  return share;
}

std::shared_ptr<std::byte> BulkMemory::Block(size_t bytes, Lease lease) {
  if (bytes < kBlockBytes) {
    return {NewBytes(bytes), [lease = std::move(lease)](std::byte* block) {
              DeleteBytes(block);
            }};
  }
  std::byte* block = nullptr;
  {
    MutexLock lock(&mu_);
    if (!free_.empty()) {
      block = free_.back();
      free_.pop_back();
      unused_ = std::min(unused_, free_.size());
    }
  }
  if (block == nullptr) block = NewBlock();
  return {block, [memory = shared_from_this(), lease = std::move(lease)](
                     std::byte* used) { memory->Give(used); }};
}

void BulkMemory::Give(std::byte* block) {
  {
    MutexLock lock(&mu_);
    if (free_.size() < most_kept_) {
      free_.push_back(block);
      return;
    }
  }
  DeleteBlock(block);
}

void BulkMemory::GiveBackUnused(absl::Time now) {
  std::vector<std::byte*> unused;
  {
    MutexLock lock(&mu_);
    if (now < next_look_) return;
    next_look_ = now + kKeptFor;
    const auto end = free_.begin() + static_cast<ptrdiff_t>(unused_);
    unused.assign(free_.begin(), end);
    free_.erase(free_.begin(), end);
    unused_ = free_.size();
  }
  for (std::byte* block : unused) {
    // A daemon's heap keeps what it is given (ConfigureMalloc), so the pages go
    // first. If the system refuses, they stay with the heap.
    madvise(block, kBlockBytes, MADV_DONTNEED);
    DeleteBlock(block);
  }
}

int64_t BulkMemory::kept_bytes() const {
  MutexLock lock(&mu_);
  return static_cast<int64_t>(free_.size() * kBlockBytes);
}

}  // namespace ebb::rpc::internal
