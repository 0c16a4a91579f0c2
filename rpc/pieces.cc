#include "rpc/pieces.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rpc/wire.h"

namespace ebb::rpc {

Payload PieceCutter::Next() {
  Payload part;
  int64_t left = std::min(piece_bytes_, message_.size() - cut_);
  cut_ += left;
  while (left > 0) {
    const Payload::Slice& slice = message_.slices()[slice_];
    const std::span<const std::byte> rest = slice.bytes.subspan(offset_);
    const auto n = std::min<int64_t>(left, rest.size());
    part.Append(slice.owner, rest.first(n));
    left -= n;
    offset_ += n;
    if (offset_ == slice.bytes.size()) {
      ++slice_;
      offset_ = 0;
    }
  }
  return EncodePiece(message_.size(), part);
}

absl::Status PieceAssembler::Add(const Payload& piece) {
  int64_t message_bytes = 0;
  EBB_ASSIGN_OR_RETURN(const Payload part, DecodePiece(piece, &message_bytes));
  if (message_bytes > most_bytes_) {
    return absl::OutOfRangeError(absl::StrCat(
        "a message of ", message_bytes, " bytes; at most ", most_bytes_,
        " are taken here, by --memory where that is "
        "set: with more partitions each push is smaller"));
  }
  const bool first = message_bytes_ == 0;
  const int64_t left = message_bytes - message_.size();
  if (message_bytes <= 0 || (!first && message_bytes != message_bytes_) ||
      part.size() > left || part.size() < std::min(left, kLeastPart)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a piece of ", part.size(), " bytes of a message of ", message_bytes,
        ", behind ", message_.size(), " bytes of one of ", message_bytes_));
  }
  message_bytes_ = message_bytes;
  for (const Payload::Slice& slice : part.slices()) {
    message_.Append(slice.owner, slice.bytes);
  }
  return absl::OkStatus();
}

}  // namespace ebb::rpc
