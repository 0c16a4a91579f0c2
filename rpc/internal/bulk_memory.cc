#include "rpc/internal/bulk_memory.h"

#include <algorithm>
#include <new>
#include <utility>

#include "common/status_macros.h"
#include "rpc/internal/served_call.h"

namespace ebb::rpc::internal {

namespace {

constexpr std::align_val_t kAlignment{64};

std::byte* NewBytes(size_t bytes) {
  return static_cast<std::byte*>(::operator new(bytes, kAlignment));
}
void DeleteBytes(std::byte* bytes) { ::operator delete(bytes, kAlignment); }

}  // namespace

std::shared_ptr<BulkMemory> BulkMemory::Make(int64_t room_bytes,
                                             int64_t kept_bytes) {
  return std::make_shared<BulkMemory>(room_bytes, kept_bytes);
}

BulkMemory::BulkMemory(int64_t room_bytes, int64_t kept_bytes)
    : room_(room_bytes),
      most_kept_(static_cast<size_t>(kept_bytes) / kBlockBytes) {}

BulkMemory::~BulkMemory() {
  for (std::byte* block : free_) DeleteBytes(block);
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
    }
  }
  if (block == nullptr) block = NewBytes(kBlockBytes);
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
  DeleteBytes(block);
}

}  // namespace ebb::rpc::internal
