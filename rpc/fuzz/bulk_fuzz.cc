// Any bytes as what comes by a bulk stream: no crash, no more memory than the
// bytes are worth, and the same messages however the bytes are cut.
//
// The first byte of the input chooses the size of the reads.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/payload.h"
#include "rpc/internal/bulk_memory.h"
#include "rpc/internal/bulk_reader.h"

namespace ebb::rpc::internal {
namespace {

// Small, so that messages are refused, too.
constexpr int64_t kRoomBytes = int64_t{4} << 20;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string TextOf(const BulkMessage& message) {
  std::string bytes(static_cast<size_t>(message.message.size()), '\0');
  message.message.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return absl::StrCat(message.kind, " ", message.status, " ", message.id, " ",
                      message.token.size(), message.token, " ",
                      message.refused.ToString(), " ", bytes.size(), bytes);
}

// All messages, then how it ended.
std::vector<std::string> ReadIn(std::span<const std::byte> bytes,
                                size_t piece) {
  const auto memory = BulkMemory::Make(kRoomBytes, /*kept_bytes=*/1 << 20);
  std::vector<std::string> all;
  {
    BulkReader reader(memory);
    absl::Status status;
    while (status.ok() && !bytes.empty()) {
      std::array<iovec, BulkReader::kMostSpaces> spaces;
      const size_t n = reader.Spaces(&spaces);
      size_t left = std::min(piece, bytes.size()), got = 0;
      for (const iovec& space : std::span(spaces).first(n)) {
        const size_t here = std::min(left, space.iov_len);
        std::memcpy(space.iov_base, bytes.data() + got, here);
        got += here;
        left -= here;
      }
      Require(got > 0, "there is no space to read into");
      bytes = bytes.subspan(got);
      status = reader.Took(got, [&](const BulkMessage& message) {
        all.push_back(TextOf(message));
        return true;
      });
      Require(memory->taken_bytes() <= kRoomBytes, "more than there is room");
    }
    all.push_back(status.ToString());
  }
  Require(memory->taken_bytes() == 0, "room is taken by nothing");
  return all;
}

}  // namespace
}  // namespace ebb::rpc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  using ebb::rpc::internal::ReadIn;
  ebb::rpc::internal::Require(
      ReadIn(bytes, data[0] + 1) == ReadIn(bytes, size),
      "other messages when the bytes are cut otherwise");
  return 0;
}
