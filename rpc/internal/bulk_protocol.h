// The frames of a bulk stream: a connection, of TCP or of TLS on it, that
// carries the messages of wire.h between a worker, or a server to which a
// partition moves, and a server. See docs/internals/bulk-streams.md.
//
// A message is a frame with its token, header and first values, and as many
// frames of kind kBulkMore as the rest of its values needs. Between those,
// whole messages of one frame may come, but no other message of several.
#ifndef EBB_RPC_INTERNAL_BULK_PROTOCOL_H_
#define EBB_RPC_INTERNAL_BULK_PROTOCOL_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "rpc/internal/offers.h"

namespace ebb::rpc::internal {

// Numbers travel as they lie in memory.
static_assert(std::endian::native == std::endian::little);

// Version of all below. 2: pushes name lists of keys, and there is TLS. 3:
// servers fetch.
inline constexpr uint32_t kBulkVersion = 3;

enum BulkKind : uint32_t {
  // From the worker; `id` names the call.
  kBulkPush = 1,
  kBulkPull = 2,
  kBulkClock = 3,
  // From another server; likewise.
  kBulkFetch = 4,
  // From the server: the answer to call `id`, or the text of its error.
  kBulkReply = 16,
  // From either side. The next values of the message that is not complete.
  kBulkMore = 32,
  // Asks for a kBulkPong, as a sign of life.
  kBulkPing = 33,
  kBulkPong = 34,
};

// Before everything. What follows it: the token, the header, and values: all
// that there are up to kBulkPart, or kBulkPart of them.
struct BulkFrame {
  uint32_t kind = 0;
  uint32_t status = 0;  // A reply has an absl::StatusCode.
  uint64_t id = 0;
  uint32_t token_bytes = 0;   // At most kTokenBytes (job_token.h).
  uint32_t header_bytes = 0;  // At most kMaxHeaderBytes (wire.h).
  // A message says how many it has in all its frames. kBulkMore says how many
  // it has itself: kBulkPart, or fewer at the end.
  uint64_t value_bytes = 0;
};
static_assert(sizeof(BulkFrame) == 32);

// Most values of a frame: so long does a small message wait for a large one.
inline constexpr uint64_t kBulkPart = uint64_t{1} << 20;

// An unfinished message that gets fewer bytes in BulkStreamOptions::stuck_after
// does not come.
inline constexpr uint64_t kBulkLeast = uint64_t{64} << 10;

inline constexpr std::array<char, 8> kBulkMagic = {'e', 'b', 'b', 'b',
                                                   'u', 'l', 'k', '\n'};
// The first bytes of the side that connects.
struct BulkGreeting {
  std::array<char, 8> magic = kBulkMagic;
  uint32_t version = kBulkVersion;
  uint32_t zero = 0;
  std::array<char, kOfferTokenBytes> token = {};
};
static_assert(sizeof(BulkGreeting) == 32);
// The first bytes of the server.
struct BulkHello {
  std::array<char, 8> magic = kBulkMagic;
  uint32_t version = kBulkVersion;
  uint32_t zero = 0;
  int64_t most_bytes = 0;  // The largest message that it takes.
};
static_assert(sizeof(BulkHello) == 24);

// How to reach a server's port.
struct BulkOffer {
  std::string host;  // A number, as the system writes it.
  int port = 0;
  std::string token;
};

// How long each side waits for the other's greeting.
inline constexpr absl::Duration kBulkPatience = absl::Seconds(1);
// The same with TLS, whose handshake comes before: it computes.
inline constexpr absl::Duration kBulkTlsPatience = absl::Seconds(3);
// The longest sleep of a thread that serves a connection.
inline constexpr absl::Duration kBulkLook = absl::Milliseconds(50);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_PROTOCOL_H_
