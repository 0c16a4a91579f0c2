// Bulk values on their way: an immutable sequence of bytes in slices. Another
// object owns the memory of a slice (a parameter block, a received network
// buffer, a gradient). Copying a Payload copies references, never bytes.
//
//   Payload values;
//   values.Append(block_owner, block_bytes);
//   values.CopyTo(std::as_writable_bytes(std::span(floats)));
//
// Thread-compatible: distinct copies may be used by distinct threads.
#ifndef EBB_COMMON_PAYLOAD_H_
#define EBB_COMMON_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace ebb {

class Payload {
 public:
  struct Slice {
    std::shared_ptr<const void> owner;  // Keeps `bytes` alive and unchanged.
    std::span<const std::byte> bytes;   // May be unaligned.
  };

  Payload() = default;

  // `values` moved in, as bytes.
  template <typename T>
  static Payload Of(std::vector<T> values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    Payload payload;
    const auto bytes = std::as_bytes(std::span<const T>(*owner));
    payload.Append(std::move(owner), bytes);
    return payload;
  }

  // `bytes` must stay alive and unchanged while `owner` lives.
  void Append(std::shared_ptr<const void> owner,
              std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    size_ += static_cast<int64_t>(bytes.size());
    slices_.push_back({std::move(owner), bytes});
  }

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::vector<Slice>& slices() const { return slices_; }

  // Copies everything; `out` has exactly size() bytes.
  void CopyTo(std::span<std::byte> out) const {
    size_t at = 0;
    for (const Slice& slice : slices_) {
      std::memcpy(out.data() + at, slice.bytes.data(), slice.bytes.size());
      at += slice.bytes.size();
    }
  }

  // The bytes [offset, offset + length), without copying. The range lies
  // within [0, size()).
  Payload Sub(int64_t offset, int64_t length) const {
    Payload part;
    for (const Slice& slice : slices_) {
      const auto n = static_cast<int64_t>(slice.bytes.size());
      if (length > 0 && offset < n) {
        const int64_t take = n - offset < length ? n - offset : length;
        part.Append(slice.owner, slice.bytes.subspan(offset, take));
        length -= take;
        offset = 0;
      } else {
        offset -= n < offset ? n : offset;
      }
    }
    return part;
  }

 private:
  std::vector<Slice> slices_;
  int64_t size_ = 0;
};

}  // namespace ebb

#endif  // EBB_COMMON_PAYLOAD_H_
