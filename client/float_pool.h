// Float buffers for repeated use: a gradient goes into one, travels to the
// servers as slices of it, and returns when the last slice is released.
//
//   FloatPool pool;
//   FloatBufferPtr gradient = pool.Take(parameters);
//   Fill(gradient->span());
//   Payload payload = FloatPool::AsPayload(std::move(gradient));
//
// With a heap that some server reads, buffers lie in the heap while it has
// room: servers of this machine read gradients in place.
//
// Thread-safe; buffers may outlive the pool.
#ifndef EBB_CLIENT_FLOAT_POOL_H_
#define EBB_CLIENT_FLOAT_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "common/payload.h"
#include "common/shm/shared_heap.h"

namespace ebb::client {

// Floats aligned to 64 bytes; a MiB of them and more has its pages for itself.
class FloatBuffer {
 public:
  explicit FloatBuffer(int64_t size);
  // Null: the heap has no room, or no server reads it.
  static std::unique_ptr<FloatBuffer> InHeap(int64_t size,
                                             shm::SharedHeap* heap);
  FloatBuffer(const FloatBuffer&) = delete;
  FloatBuffer& operator=(const FloatBuffer&) = delete;

  int64_t size() const { return size_; }
  std::span<float> span() { return {data(), static_cast<size_t>(size_)}; }
  std::span<const float> span() const {
    return {data(), static_cast<size_t>(size_)};
  }
  bool in_heap() const { return in_heap_; }

  // Keeps the effect of a call on the memory, such as pinned pages, until just
  // before the memory is freed. Only the sole user of the buffer may call it.
  void Keep(std::shared_ptr<void> kept) { kept_ = std::move(kept); }
  bool keeps() const { return kept_ != nullptr; }

 private:
  FloatBuffer(int64_t size, std::shared_ptr<std::byte> memory)
      : size_(size), memory_(std::move(memory)), in_heap_(true) {}
  float* data() const { return reinterpret_cast<float*>(memory_.get()); }

  const int64_t size_;
  std::shared_ptr<std::byte> memory_;
  std::shared_ptr<void> kept_;  // Goes before the memory.
  bool in_heap_ = false;
};
using FloatBufferPtr = std::shared_ptr<FloatBuffer>;

class FloatPool {
 public:
  // Keeps at most `keep` unused buffers.
  explicit FloatPool(size_t keep = 4,
                     std::shared_ptr<shm::SharedHeap> heap = nullptr);

  // `size` floats with values of earlier users.
  FloatBufferPtr Take(int64_t size);

  // The whole buffer, which must no longer change.
  static Payload AsPayload(FloatBufferPtr buffer);

 private:
  struct Shelf {
    explicit Shelf(size_t most) : keep(most) {}
    const size_t keep;
    Mutex mu;
    // Null: there is none such.
    std::unique_ptr<FloatBuffer> Take(int64_t size, bool in_heap);

    std::vector<std::unique_ptr<FloatBuffer>> free ABSL_GUARDED_BY(mu);
  };

  const std::shared_ptr<shm::SharedHeap> heap_;
  const std::shared_ptr<Shelf> shelf_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_FLOAT_POOL_H_
