// Payload <-> grpc::ByteBuffer, sharing the memory.
#ifndef EBB_RPC_INTERNAL_GRPC_BYTES_H_
#define EBB_RPC_INTERNAL_GRPC_BYTES_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/payload.h"

namespace ebb::rpc::internal {

// The buffer keeps the slices' owners until it, and what gRPC made of it, is
// gone. Short slices that follow each other are copied into one: to gRPC and to
// the kernel each slice is work of its own, and a message with rows of sparse
// tables has two for each partition.
inline grpc::ByteBuffer ToByteBuffer(const Payload& payload) {
  constexpr size_t kCheaperToCopy = 2048;
  constexpr size_t kMostCopied = 64 << 10;  // In one piece of memory.
  using Owner = std::shared_ptr<const void>;
  const std::vector<Payload::Slice>& all = payload.slices();
  std::vector<grpc::Slice> slices;
  slices.reserve(all.size());
  for (size_t begin = 0; begin < all.size();) {
    size_t end = begin, bytes = 0;
    while (end < all.size() && all[end].bytes.size() <= kCheaperToCopy &&
           bytes + all[end].bytes.size() <= kMostCopied) {
      bytes += all[end++].bytes.size();
    }
    if (end > begin) {
      // gRPC has no pointer for writing to a slice with a single holder.
      auto* to = const_cast<uint8_t*>(slices.emplace_back(bytes).begin());
      for (; begin < end; ++begin) {
        const std::span<const std::byte> from = all[begin].bytes;
        std::memcpy(to, from.data(), from.size());
        to += from.size();
      }
      continue;
    }
    const Payload::Slice& slice = all[begin++];
    auto owner = std::make_unique<Owner>(slice.owner);
    // gRPC asks for a mutable pointer, and does not write.
    slices.emplace_back(
        const_cast<std::byte*>(slice.bytes.data()), slice.bytes.size(),
        [](void* held) { std::unique_ptr<Owner>(static_cast<Owner*>(held)); },
        owner.release());
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// A slice that gRPC received, let go of on any thread. Its memory goes back to
// a quota that may be asked for some at that moment, which needs what gRPC's
// own threads have around them: of the public functions only the end of a byte
// buffer sets that up. With less, 1.51 crashes when memory is short.
class ReceivedSlice {
 public:
  explicit ReceivedSlice(grpc::Slice slice) : slice_(std::move(slice)) {}
  ReceivedSlice(const ReceivedSlice&) = delete;
  ReceivedSlice& operator=(const ReceivedSlice&) = delete;
  ~ReceivedSlice() {
    const grpc::ByteBuffer last(&slice_, 1);
    slice_ = grpc::Slice();
  }

  // Short slices hold their bytes themselves: they stay where this stays.
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(slice_.begin()), slice_.size()};
  }

 private:
  grpc::Slice slice_;
};

// Each slice of the payload keeps its slice of the buffer.
inline Payload ToPayload(const grpc::ByteBuffer& buffer) {
  Payload payload;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return payload;
  for (grpc::Slice& slice : slices) {
    auto owner = std::make_shared<const ReceivedSlice>(std::move(slice));
    const std::span<const std::byte> bytes = owner->bytes();
    payload.Append(std::move(owner), bytes);
  }
  return payload;
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GRPC_BYTES_H_
