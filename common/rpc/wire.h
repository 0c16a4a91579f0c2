// Pushes, pulls, clocks and fetches as bytes on the wire: exactly the messages
// of parameter_server.proto, but their bulk values pass protobuf by. Encoding
// appends the payloads' own slices behind a small header, decoding hands out
// parts of the slices that arrived; neither copies a value.
//
// Decoders never trust their input: whatever is no valid message, or breaks a
// rule of convert.h, is InvalidArgument. They accept fields in any order.
#ifndef EBB_COMMON_RPC_WIRE_H_
#define EBB_COMMON_RPC_WIRE_H_

#include "absl/status/statusor.h"
#include "common/payload.h"
#include "common/protocol/messages.h"

namespace ebb::rpc {

// Everything of a message but its values; more is refused.
inline constexpr int64_t kMaxHeaderBytes = int64_t{16} << 20;

Payload Encode(const PushRequest& request);
Payload Encode(const PushReply& reply);
Payload Encode(const PullRequest& request);
Payload Encode(const PullReply& reply);
Payload Encode(const ClockUpdate& update);
Payload Encode(const FetchRequest& request);
Payload Encode(const FetchReply& reply);

absl::StatusOr<PushRequest> DecodePushRequest(const Payload& bytes);
absl::StatusOr<PushReply> DecodePushReply(const Payload& bytes);
absl::StatusOr<PullRequest> DecodePullRequest(const Payload& bytes);
absl::StatusOr<PullReply> DecodePullReply(const Payload& bytes);
absl::StatusOr<ClockUpdate> DecodeClockUpdate(const Payload& bytes);
absl::StatusOr<FetchRequest> DecodeFetchRequest(const Payload& bytes);
absl::StatusOr<FetchReply> DecodeFetchReply(const Payload& bytes);

}  // namespace ebb::rpc

#endif  // EBB_COMMON_RPC_WIRE_H_
