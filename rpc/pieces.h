// One large message in pieces of bounded size, as it travels, and whole again.
//
//   PieceCutter cutter(message, piece_bytes);
//   while (!cutter.done()) Send(cutter.Next());
//
//   PieceAssembler assembler(most_bytes);
//   while (!assembler.complete())
//   EBB_RETURN_IF_ERROR(assembler.Add(Receive())); Use(assembler.Take());
//
// Neither copies a value. Thread-compatible.
#ifndef EBB_RPC_PIECES_H_
#define EBB_RPC_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "common/payload.h"

namespace ebb::rpc {

// Smaller parts, but for the last of a message, are refused: each costs its
// receiver more than its bytes.
inline constexpr int64_t kLeastPart = 1024;

class PieceCutter {
 public:
  // Cuts a message that is not empty into parts of `piece_bytes`, at least
  // kLeastPart; the last has the rest.
  PieceCutter(Payload message, int64_t piece_bytes)
      : message_(std::move(message)), piece_bytes_(piece_bytes) {}

  bool done() const { return cut_ == message_.size(); }
  // The next piece, encoded; not when done().
  Payload Next();

 private:
  const Payload message_;
  const int64_t piece_bytes_;
  int64_t cut_ = 0;
  // The next byte: in which slice, and where in it.
  size_t slice_ = 0;
  size_t offset_ = 0;
};

class PieceAssembler {
 public:
  // Takes messages of at most `most_bytes`.
  explicit PieceAssembler(int64_t most_bytes) : most_bytes_(most_bytes) {}

  // Adds the next piece, encoded. OutOfRange: the message is larger than is
  // taken. InvalidArgument: the piece is malformed, or does not fit those
  // before it.
  absl::Status Add(const Payload& piece);
  // Bytes of the whole message; 0 before the first piece.
  int64_t message_bytes() const { return message_bytes_; }
  bool complete() const {
    return message_bytes_ > 0 && message_.size() == message_bytes_;
  }
  // The part of the message that has come.
  const Payload& beginning() const { return message_; }
  // The message, when it is complete. Once.
  Payload Take() { return std::move(message_); }

 private:
  const int64_t most_bytes_;
  int64_t message_bytes_ = 0;
  Payload message_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_PIECES_H_
