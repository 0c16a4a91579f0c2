// Payload <-> grpc::ByteBuffer, sharing the memory.
#ifndef EBB_COMMON_RPC_INTERNAL_GRPC_BYTES_H_
#define EBB_COMMON_RPC_INTERNAL_GRPC_BYTES_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/payload.h"

namespace ebb::rpc::internal {

// The buffer keeps the slices' owners until it, and what gRPC made of it, is
// gone.
inline grpc::ByteBuffer ToByteBuffer(const Payload& payload) {
  constexpr size_t kCheaperToCopy = 512;
  using Owner = std::shared_ptr<const void>;
  std::vector<grpc::Slice> slices;
  slices.reserve(payload.slices().size());
  for (const Payload::Slice& slice : payload.slices()) {
    if (slice.bytes.size() <= kCheaperToCopy) {
      slices.emplace_back(slice.bytes.data(), slice.bytes.size());
      continue;
    }
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

#endif  // EBB_COMMON_RPC_INTERNAL_GRPC_BYTES_H_
