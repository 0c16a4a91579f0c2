// Makes messages of the bytes that a bulk stream brings.
//
//   std::array<iovec, BulkReader::kMostSpaces> spaces;
//   const size_t n = readv(fd, spaces.data(), reader.Spaces(&spaces));
//   EBB_RETURN_IF_ERROR(reader.Took(n, handle));
#ifndef EBB_RPC_INTERNAL_BULK_READER_H_
#define EBB_RPC_INTERNAL_BULK_READER_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/payload.h"
#include "rpc/internal/bulk_memory.h"
#include "rpc/internal/bulk_protocol.h"

namespace ebb::rpc::internal {

struct BulkMessage {
  uint32_t kind = 0;
  uint32_t status = 0;
  uint64_t id = 0;
  std::string token;
  // The header, then the values.
  Payload message;
  // Not OK: there was no room for it (BulkMemory), or it was not admitted. The
  // message is empty.
  absl::Status refused;
};

// It checks all that comes. A message takes memory as its bytes come, but for
// a part (kBulkPart) that is taken before. Thread-compatible.
class BulkReader {
 public:
  // Most spaces at once: blocks of a part, and what follows.
  static constexpr size_t kMostSpaces = kBulkPart / BulkMemory::kBlockBytes + 2;
  using Handler = absl::FunctionRef<bool(BulkMessage)>;
  // Says whether the other side may send a message of several frames. It has
  // shown this token and header; the room for the values is taken afterwards.
  using Admit = std::function<absl::Status(
      uint32_t kind, absl::string_view token, const Payload& header)>;

  // Without `admit`, all may be sent.
  explicit BulkReader(std::shared_ptr<BulkMemory> memory, Admit admit = {});

  // Sets where the next bytes go, in this order; returns how many spaces there
  // are, at least one.
  size_t Spaces(std::array<iovec, kMostSpaces>* spaces);
  // Bytes that the frame which has begun still brings; 0: none has begun.
  uint64_t due() const { return text_left_ + part_left_; }
  // The oldest message of which only a part has come; number 0: there is none.
  struct Unfinished {
    uint64_t number = 0;
    uint64_t left = 0;  // Bytes that are to come.
  };
  Unfinished unfinished() const;
  // This many bytes came. Calls `handle` for each message that is complete;
  // false of it ends that. InvalidArgument: nonsense, and no more may be read.
  absl::Status Took(size_t bytes, Handler handle);

 private:
  struct Block {
    std::shared_ptr<std::byte> bytes;
    size_t size = 0;  // Bytes of the message in it.
  };
  // A message of which something came.
  struct Incoming {
    BulkFrame frame;
    uint64_t number = 0;
    bool admitted = false;
    absl::Status refused;
    BulkMemory::Lease lease;
    std::string text;  // The token and the header.
    uint64_t values_left = 0;
    std::vector<Block> blocks;
  };

  size_t Buffered() const { return end_ - begin_; }
  absl::Status Parse(Handler handle);
  absl::Status BeginFrame();
  absl::Status BeginMessage(const BulkFrame& frame);
  absl::Status BeginMore(const BulkFrame& frame);
  // Takes as much room for the message, in place of what it has.
  void TakeRoom(uint64_t bytes);
  // The text of a message of several frames is there.
  void AdmitValues();
  // Makes the blocks for the rest of the frame's values.
  void MakeBlocks();
  // This many of the frame's values lie in their blocks.
  void Arrived(size_t bytes);
  // Moves buffered bytes to the frame's values.
  void TakeValues();
  void TakeText();
  // The frame is complete.
  absl::Status EndFrame(Handler handle);

  const std::shared_ptr<BulkMemory> memory_;
  const Admit admit_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0, end_ = 0;  // Read and not yet used.

  // The message whose values come in several frames; kind 0: there is none.
  Incoming large_;
  // A message of one frame.
  Incoming small_;
  Incoming* now_ = nullptr;  // The frame that comes is its; null: one begins.
  uint64_t text_left_ = 0;   // Bytes of the frame.
  uint64_t part_left_ = 0;   // Bytes of the frame.
  // Blocks for those, and how much of the first is filled.
  std::vector<Block> part_;
  size_t part_begin_ = 0;  // The first that is not full.
  size_t filled_ = 0;      // Bytes in that one.
  bool stopped_ = false;
  uint64_t last_number_ = 0;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BULK_READER_H_
