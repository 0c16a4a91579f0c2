// The connection under a bulk stream: bytes over TCP, in plain text or by TLS.
#ifndef EBB_RPC_INTERNAL_BULK_SOCKET_H_
#define EBB_RPC_INTERNAL_BULK_SOCKET_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"

namespace ebb::rpc::internal {

// Nothing here blocks. One thread at a time reads and one writes, and they may
// do so at once.
class BulkSocket {
 public:
  // Values that wait so long are still in the cache when they are read.
  static constexpr uint64_t kMostAwaited = uint64_t{256} << 10;

  virtual ~BulkSocket() = default;

  // To wait for.
  virtual int fd() const = 0;
  // Reads what is there, and less than the spaces hold if that is all; 0:
  // nothing is there now. OutOfRange: the other side closed the connection.
  // Unavailable: the connection is broken.
  virtual absl::StatusOr<size_t> Read(std::span<const iovec> to) = 0;
  // So many bytes are sure to come: fd() may become readable only when they are
  // there, or kMostAwaited of them. Each wake-up costs the other side's core
  // as much as many packets, if it is on this machine. The reading thread's.
  virtual void Await(uint64_t bytes) = 0;
  // Takes bytes to send; 0: none can be taken now. Unavailable: the connection
  // has ended.
  virtual absl::StatusOr<size_t> Write(std::span<const iovec> from) = 0;
  // Bytes that it took wait here: the next Write(), of anything or nothing,
  // sends them. The writing thread's.
  virtual bool Unsent() const = 0;
  // Returns how much the system has taken so far. The writing thread's.
  virtual uint64_t sent_bytes() const = 0;
};

// In plain text. The socket is connected.
std::unique_ptr<BulkSocket> MakePlainSocket(Fd socket);

// All of `bytes`, which are few. Unavailable: the other side is gone, or it
// takes none.
absl::Status SendAll(BulkSocket* socket, absl::string_view bytes);
// Unavailable: the other side is gone, or not by `end`, or `cancel` can be
// read.
absl::Status ReceiveAll(BulkSocket* socket, char* bytes, size_t size,
                        absl::Time end, int cancel);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_SOCKET_H_
