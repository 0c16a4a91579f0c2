#include "client/float_pool.h"

#include <algorithm>
#include <cstdlib>

namespace ebb::client {

namespace {

constexpr size_t kAlignment = 64;

float* Allocate(int64_t size) {
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(size, 1)) * 4;
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) std::abort();  // As operator new would.
  return static_cast<float*>(memory);
}

}  // namespace

FloatBuffer::FloatBuffer(int64_t size) : size_(size), data_(Allocate(size)) {}

FloatBuffer::~FloatBuffer() { std::free(data_); }

FloatPool::FloatPool(size_t keep) : shelf_(std::make_shared<Shelf>(keep)) {}

FloatBufferPtr FloatPool::Take(int64_t size) {
  std::unique_ptr<FloatBuffer> buffer;
  {
    MutexLock lock(&shelf_->mu);
    auto& free = shelf_->free;
    const auto fits = std::find_if(
        free.begin(), free.end(),
        [&](const auto& candidate) { return candidate->size() == size; });
    if (fits != free.end()) {
      buffer = std::move(*fits);
      free.erase(fits);
    } else {
      // Of another job: of no use to this one, and perhaps large.
      free.clear();
    }
  }
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
