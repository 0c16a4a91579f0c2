// The messages between worker and server through shared memory. They are those
// of wire.h. The header of each is in a record. Values of pushes lie in the
// worker's area or its heap; values of pulls in files of the server or in the
// record itself. The record says where. See docs/internals/data-plane.md.
#ifndef EBB_RPC_INTERNAL_SHARED_PROTOCOL_H_
#define EBB_RPC_INTERNAL_SHARED_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "common/payload.h"
#include "common/shm/file_table.h"
#include "common/shm/ring.h"
#include "rpc/internal/message_parts.h"
#include "rpc/internal/offers.h"

namespace ebb::rpc::internal {

// Version of all below, and of ring.h.
inline constexpr uint32_t kSharedVersion = 4;

enum SharedKind : uint32_t {
  // From the worker; `id` names the call. CallBody, then as many runs as it
  // says, which are the values, in kAreaFile and kHeapFile; then as many bytes
  // as it says of the worker's token of the job; then the header.
  kSharedPush = 1,
  kSharedPull = 2,
  kSharedClock = 3,
  // The values that answered call `id` are not read any more.
  kSharedRelease = 4,

  // From the server. The answer to call `id`: ReplyBody, as many runs as it
  // says, then the header, or the message of an error, then what lies in no
  // file (shm::kNoFile).
  kSharedReply = 16,
  // The values of push `id` are not read any more.
  kSharedFreed = 17,
};

struct CallBody {
  uint32_t runs = 0;
  uint32_t token_bytes = 0;  // At most kTokenBytes (job_token.h).
};
// Files of the runs of a call: the area beside the worker's ring, and the
// memory that the worker brought along (SharedGreeting).
inline constexpr uint32_t kAreaFile = 0;
inline constexpr uint32_t kHeapFile = 1;
// Values in more pieces are copied.
inline constexpr size_t kMostCallRuns = 128;

struct ReplyBody {
  // An absl::StatusCode, or kElsewhere.
  uint32_t status = 0;
  uint32_t runs = 0;
  uint32_t header_bytes = 0;
  uint32_t zero = 0;
};
// The answer cannot be given here; that to a pull can over the network.
inline constexpr uint32_t kElsewhere = 1000;

// The first message of the worker on the Unix socket: the offer's token and
// this, with a file where there are such bytes.
struct SharedGreeting {
  // Size of its own memory, in which values of pushes may lie.
  int64_t heap_bytes = 0;
};
// The first of the server, with two files: the worker's, which it writes to,
// and the server's.
struct SharedHello {
  uint32_t version = kSharedVersion;
  uint32_t zero = 0;
  int64_t up_ring_bytes = 0;
  int64_t up_area_bytes = 0;
  int64_t down_ring_bytes = 0;

  shm::SideSize up() const { return {up_ring_bytes, up_area_bytes}; }
  shm::SideSize down() const { return {down_ring_bytes, 0}; }
};
// Each further one, with a file: before the first run names it.
struct SharedFile {
  int64_t number = 0;  // From 0, each the last plus 1.
  int64_t bytes = 0;
};
inline constexpr int64_t kMostSharedFiles = 64;

// How to find a server's socket.
struct SharedOffer {
  std::string socket_name;
  std::string token;
};
inline constexpr int kSharedTokenBytes = kOfferTokenBytes;

// The longest sleep of a thread that waits for the other process: then it
// checks whether that is still there.
inline constexpr absl::Duration kSharedLook = absl::Milliseconds(50);
// Records handled before other duties are looked at.
inline constexpr int kSharedBatch = 256;
// How long a process waits for the other's part of the greeting.
inline constexpr absl::Duration kSharedPatience = absl::Seconds(1);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_PROTOCOL_H_
