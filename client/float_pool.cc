#include "client/float_pool.h"

#include <algorithm>
#include <cstdlib>

namespace ebb::client {

namespace {

constexpr int64_t kPage = 4096;

// Returns the alignment for memory of this size.
int64_t AlignmentOf(int64_t bytes) {
  constexpr int64_t kMiB = int64_t{1} << 20, kAlignment = 64;
  return bytes < kMiB ? kAlignment : kPage;
}

int64_t RoundUp(int64_t bytes, int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::shared_ptr<std::byte> Allocate(int64_t bytes) {
  const int64_t alignment = AlignmentOf(bytes);
  void* memory = std::aligned_alloc(alignment, RoundUp(bytes, alignment));
  if (memory == nullptr) std::abort();  // Operator new does so, too.
  return {static_cast<std::byte*>(memory), std::free};
}

int64_t BytesOf(int64_t floats) {
  return std::max<int64_t>(floats, 1) * static_cast<int64_t>(sizeof(float));
}

}  // namespace

FloatBuffer::FloatBuffer(int64_t size)
    : size_(size), memory_(Allocate(BytesOf(size))) {}

std::unique_ptr<FloatBuffer> FloatBuffer::InHeap(int64_t size,
                                                 shm::SharedHeap* heap) {
  const int64_t bytes = BytesOf(size), alignment = AlignmentOf(bytes);
  const bool pages = alignment == kPage;
  std::shared_ptr<std::byte> memory =
      heap->Take(pages ? RoundUp(bytes, kPage) + kPage : bytes);
  if (memory == nullptr) return nullptr;
  if (pages) {
    auto* const aligned = reinterpret_cast<std::byte*>(
        RoundUp(reinterpret_cast<intptr_t>(memory.get()), kPage));
    memory = {std::move(memory), aligned};
  }
  return std::unique_ptr<FloatBuffer>(new FloatBuffer(size, std::move(memory)));
}

FloatPool::FloatPool(size_t keep, std::shared_ptr<shm::SharedHeap> heap)
    : heap_(std::move(heap)), shelf_(std::make_shared<Shelf>(keep)) {}

std::unique_ptr<FloatBuffer> FloatPool::Shelf::Take(int64_t size,
                                                    bool in_heap) {
  MutexLock lock(&mu);
  // Buffers of another job are of no use to this one, and perhaps large.
  std::erase_if(free, [&](const auto& one) { return one->size() != size; });
  const auto fits = std::ranges::find_if(
      free, [&](const auto& one) { return one->in_heap() == in_heap; });
  if (fits == free.end()) return nullptr;
  std::unique_ptr<FloatBuffer> buffer = std::move(*fits);
  free.erase(fits);
  return buffer;
}

FloatBufferPtr FloatPool::Take(int64_t size) {
  std::unique_ptr<FloatBuffer> buffer;
  if (heap_ != nullptr && heap_->open()) {
    buffer = shelf_->Take(size, /*in_heap=*/true);
    if (buffer == nullptr) buffer = FloatBuffer::InHeap(size, heap_.get());
  }
  if (buffer == nullptr) buffer = shelf_->Take(size, /*in_heap=*/false);
  if (buffer == nullptr) buffer = std::make_unique<FloatBuffer>(size);
  return {buffer.release(), [shelf = shelf_](FloatBuffer* returned) {
            std::unique_ptr<FloatBuffer> owned(returned);
            MutexLock lock(&shelf->mu);
            // The oldest goes: after a change of jobs it has a useless size.
            if (shelf->free.size() >= shelf->keep && !shelf->free.empty()) {
              shelf->free.erase(shelf->free.begin());
            }
            if (shelf->keep > 0) shelf->free.push_back(std::move(owned));
          }};
}

Payload FloatPool::AsPayload(FloatBufferPtr buffer) {
  Payload payload;
  const std::span<const float> floats = buffer->span();
  payload.Append(std::move(buffer), std::as_bytes(floats));
  return payload;
}

}  // namespace ebb::client
