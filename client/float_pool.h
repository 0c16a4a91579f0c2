// Float buffers that are used again: a gradient goes into one, travels to the
// servers as slices of it, and comes back when the last slice is let go.
//
//   FloatPool pool;
//   FloatBufferPtr gradient = pool.Take(parameters);
//   Fill(gradient->span());
//   Payload payload = FloatPool::AsPayload(std::move(gradient));
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

namespace ebb::client {

// Floats aligned to 64 bytes.
class FloatBuffer {
 public:
  explicit FloatBuffer(int64_t size);
  ~FloatBuffer();
  FloatBuffer(const FloatBuffer&) = delete;
  FloatBuffer& operator=(const FloatBuffer&) = delete;

  int64_t size() const { return size_; }
  std::span<float> span() { return {data_, static_cast<size_t>(size_)}; }
  std::span<const float> span() const {
    return {data_, static_cast<size_t>(size_)};
  }

 private:
  const int64_t size_;
  float* const data_;
};
using FloatBufferPtr = std::shared_ptr<FloatBuffer>;

class FloatPool {
 public:
  // Keeps at most `keep` buffers that nobody uses.
  explicit FloatPool(size_t keep = 4);

  // `size` floats with values of earlier users.
  FloatBufferPtr Take(int64_t size);

  // The whole buffer, which must no longer change.
  static Payload AsPayload(FloatBufferPtr buffer);

 private:
  struct Shelf {
    explicit Shelf(size_t most) : keep(most) {}
    const size_t keep;
    Mutex mu;
    std::vector<std::unique_ptr<FloatBuffer>> free ABSL_GUARDED_BY(mu);
  };

  const std::shared_ptr<Shelf> shelf_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_FLOAT_POOL_H_
