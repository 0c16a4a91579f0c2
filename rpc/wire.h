// Pushes, pulls, clocks and fetches as bytes on the wire: exactly the messages
// of parameter_server.proto, but their bulk values pass protobuf by. Encoding
// appends the payloads' own slices behind a small header, decoding hands out
// parts of the slices that arrived; neither copies a value.
//
// Decoders never trust their input: bytes that are not a valid message, or
// break a rule of convert.h, are InvalidArgument. They accept fields in any
// order.
//
// A push may name lists of keys that the server has of a pull
// (docs/decisions/0020-key-lists.md). Messages of the protocol always have all
// keys; what stands for them is beside them here, and plain decoders refuse it.
#ifndef EBB_RPC_WIRE_H_
#define EBB_RPC_WIRE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/payload.h"
#include "protocol/messages.h"

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

// --- Lists of keys by name ---------------------------------------------------

// Which of a push's lists of keys it names: of the rows of its segments, one
// after the other, the number under which the server keeps its keys; 0: it has
// them. Empty: all have.
using NamedKeys = std::vector<uint64_t>;

// Without the keys that `named` names.
Payload Encode(const PushRequest& request, const NamedKeys& named);
// Rows whose keys are named have none yet.
absl::StatusOr<PushRequest> DecodePushRequest(const Payload& bytes,
                                              NamedKeys* named);

// `keep`: the server may keep the keys.
Payload Encode(const PullRequest& request, bool keep);
absl::StatusOr<PullRequest> DecodePullRequest(const Payload& bytes, bool* keep);

// `number`: under which the server keeps the request's keys; 0: it does not.
Payload Encode(const PullReply& reply, uint64_t number);
absl::StatusOr<PullReply> DecodePullReply(const Payload& bytes,
                                          uint64_t* number);

// --- Messages in pieces (pieces.h) ------------------------------------------

// Everything of a piece but its part; more is refused.
inline constexpr int64_t kMaxBesidePart = 1024;

// `message_bytes`: of the whole message that `part` is of.
Payload EncodePiece(int64_t message_bytes, const Payload& part);
absl::StatusOr<Payload> DecodePiece(const Payload& bytes,
                                    int64_t* message_bytes);

// --- Pushes that travel together ---------------------------------------------

// Most pushes of one message; more are refused, and so is an empty one.
inline constexpr int kMaxPushesTogether = 64;

// `pushes` are encoded ones.
Payload EncodePushMany(const std::vector<const Payload*>& pushes);
// It does not check the single pushes.
absl::StatusOr<std::vector<Payload>> DecodePushMany(const Payload& bytes);

// The reply to a push, or with what status it is refused.
using PushAnswer = absl::StatusOr<PushReply>;
Payload EncodePushAnswers(const std::vector<PushAnswer>& answers);
// One whose reply cannot be read is refused by InvalidArgument.
absl::StatusOr<std::vector<PushAnswer>> DecodePushAnswers(const Payload& bytes);

}  // namespace ebb::rpc

#endif  // EBB_RPC_WIRE_H_
