// Fetches of a move as messages: sums, copies and checks all values, so call it
// outside of every lock. Pure functions.
#ifndef EBB_SERVER_STORE_FETCH_CODEC_H_
#define EBB_SERVER_STORE_FETCH_CODEC_H_

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/store/fetched.h"

namespace ebb::server {

// The answer of this server, in this life. The values stay where they are; the
// reply holds on to their blocks.
FetchReply EncodeFetchAnswer(ServerId server, SessionId session,
                             FetchAnswer answer);

// Copies the requested blocks into blocks of the task's pool. DataLoss: a
// checksum does not match, or the answer has other blocks. ResourceExhausted:
// the pool has no room.
absl::StatusOr<Fetched> DecodeFetchReply(const FetchTask& task,
                                         const FetchReply& reply);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_FETCH_CODEC_H_
