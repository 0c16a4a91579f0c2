// Gradients as they arrive: little-endian floats at any address, in slices
// that may end in the middle of one.
#ifndef EBB_OPTIMIZER_GRADIENT_H_
#define EBB_OPTIMIZER_GRADIENT_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <span>

#include "common/payload.h"

namespace ebb {

static_assert(std::endian::native == std::endian::little,
              "values travel as little-endian bytes and are used in place");

// `size()` floats from `bytes()` on, which may be at an odd address. Borrows.
class GradientView {
 public:
  GradientView() = default;
  // A span, vector or array of floats.
  template <typename Floats>
  requires std::convertible_to<const Floats&, std::span<const float>>
  GradientView(const Floats& floats)  // NOLINT: any address will do.
      : bytes_(reinterpret_cast<const std::byte*>(std::data(floats))),
        size_(std::size(floats)) {}
  // `bytes` must hold a whole number of floats.
  static GradientView FromBytes(std::span<const std::byte> bytes) {
    return GradientView(bytes.data(), bytes.size() / sizeof(float));
  }

  const std::byte* bytes() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  GradientView(const std::byte* bytes, size_t size)
      : bytes_(bytes), size_(size) {}

  const std::byte* bytes_ = nullptr;
  size_t size_ = 0;
};

// Goes through a payload of floats once, without copying them: in runs that
// lie within one slice, and a run of one for a float cut in two.
//
//   GradientCursor gradient(push.values);
//   for (Block& block : blocks) {
//     optimizer.Step(context, block.weights, gradient, ...);
//   }
//
// Not thread-safe. Borrows the payload.
class GradientCursor {
 public:
  // `payload` must hold a whole number of floats (checked): Payload::Sub
  // cuts them out of a larger one.
  explicit GradientCursor(const Payload& payload);

  // Floats not yet returned.
  size_t remaining() const { return remaining_bytes_ / sizeof(float); }
  // The next run, of between 1 and `limit` floats (0 only at the end or for
  // a limit of 0). Valid until the next call, and while the payload lives.
  GradientView Next(size_t limit);

 private:
  // The unread rest of the present slice, not empty unless at the end.
  std::span<const std::byte> Rest();

  const Payload* payload_;  // Not owned.
  size_t slice_ = 0;        // The present slice ...
  size_t offset_ = 0;       // ... and how much of it has been read.
  size_t remaining_bytes_;
  std::byte cut_[sizeof(float)];  // A float whose bytes lie in several slices.
};

}  // namespace ebb

#endif  // EBB_OPTIMIZER_GRADIENT_H_
