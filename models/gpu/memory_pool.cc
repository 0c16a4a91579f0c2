#include "models/gpu/memory_pool.h"

#include <algorithm>
#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace ebb::models::gpu {

MemoryPool::~MemoryPool() {
  Trim();
  for (const auto& [block, size] : used_) source_->DeleteBlock(block);
}

int64_t MemoryPool::RoundUp(int64_t bytes) {
  constexpr int64_t kLeast = 512, kMiB = int64_t{1} << 20;
  if (bytes > kMiB) return (bytes + kMiB - 1) / kMiB * kMiB;
  return std::max(kLeast, static_cast<int64_t>(
                              std::bit_ceil(static_cast<uint64_t>(bytes))));
}

absl::StatusOr<void*> MemoryPool::Allocate(int64_t bytes) {
  const int64_t size = RoundUp(bytes);
  const auto found = free_.lower_bound(size);
  // A much larger block would be missed by those that need it.
  if (found != free_.end() && found->first <= size + size / 4) {
    void* const block = found->second;
    used_.emplace(block, found->first);
    used_bytes_ += found->first;
    free_bytes_ -= found->first;
    free_.erase(found);
    return block;
  }
  void* block = source_->NewBlock(size);
  if (block == nullptr && !free_.empty()) {
    Trim();
    block = source_->NewBlock(size);
  }
  if (block == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no room for ", size, " bytes beside the ", used_bytes_, " in use"));
  }
  used_.emplace(block, size);
  used_bytes_ += size;
  return block;
}

void MemoryPool::Free(void* block) {
  if (block == nullptr) return;
  const auto found = used_.find(block);
  CHECK(found != used_.end()) << "not a block of this pool, or freed before";
  free_.emplace(found->second, block);
  used_bytes_ -= found->second;
  free_bytes_ += found->second;
  used_.erase(found);
}

void MemoryPool::Trim() {
  for (const auto& [size, block] : free_) source_->DeleteBlock(block);
  free_.clear();
  free_bytes_ = 0;
}

}  // namespace ebb::models::gpu
