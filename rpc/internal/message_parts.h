// The two parts of an encoded message (wire.h).
#ifndef EBB_RPC_INTERNAL_MESSAGE_PARTS_H_
#define EBB_RPC_INTERNAL_MESSAGE_PARTS_H_

#include <cstddef>
#include <span>

#include "absl/strings/string_view.h"
#include "common/payload.h"

namespace ebb::rpc::internal {

// The part of an encoded message without its values, which are the other
// slices.
inline std::span<const std::byte> HeaderOf(const Payload& message) {
  if (message.empty()) return {};
  return message.slices().front().bytes;
}

inline std::span<const std::byte> BytesOf(absl::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_MESSAGE_PARTS_H_
