// Fetches of a move as messages: sums, copies and checks values, so call it
// outside of every lock. Pure functions.
//
// Each block is checked before the target takes it. Its checksum comes with it:
// the source sums up one answer's blocks while those before are on their way,
// and answers for a cut at once. A target of an older ebb has all checksums
// from the manifest of the cut.
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
// checksum does not match, or the answer has other blocks or other contents
// than the cut. ResourceExhausted: the pool has no room.
absl::StatusOr<Fetched> DecodeFetchReply(const FetchTask& task,
                                         const FetchReply& reply);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_FETCH_CODEC_H_
