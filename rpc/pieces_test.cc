#include "rpc/pieces.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "rpc/wire.h"

namespace ebb::rpc {
namespace {

// `bytes` bytes in slices of 700.
Payload Message(int64_t bytes) {
  std::vector<uint8_t> all(bytes);
  std::iota(all.begin(), all.end(), uint8_t{0});
  const Payload whole = Payload::Of(std::move(all));
  Payload message;
  for (int64_t at = 0; at < bytes; at += 700) {
    const Payload part = whole.Sub(at, std::min<int64_t>(700, bytes - at));
    message.Append(part.slices()[0].owner, part.slices()[0].bytes);
  }
  return message;
}

std::vector<std::byte> Bytes(const Payload& payload) {
  std::vector<std::byte> bytes(payload.size());
  payload.CopyTo(bytes);
  return bytes;
}

TEST(PiecesTest, AMessageIsWholeAgain) {
  for (const int64_t bytes : {1, 1023, 1024, 1025, 2048, 10'000}) {
    const Payload message = Message(bytes);
    PieceCutter cutter(message, 1024);
    PieceAssembler assembler(10'000);
    int pieces = 0;
    while (!cutter.done()) {
      EXPECT_FALSE(assembler.complete());
      const Payload piece = cutter.Next();
      EXPECT_LE(piece.size(), 1024 + 16);
      const absl::Status added = assembler.Add(piece);
      ASSERT_TRUE(added.ok()) << added;
      ++pieces;
    }
    EXPECT_EQ(pieces, (bytes + 1023) / 1024);
    EXPECT_EQ(assembler.message_bytes(), bytes);
    ASSERT_TRUE(assembler.complete());
    EXPECT_EQ(Bytes(assembler.Take()), Bytes(message));
  }
}

TEST(PiecesTest, ALargerMessageIsRefusedByItsFirstPiece) {
  PieceCutter cutter(Message(10'001), 1024);
  PieceAssembler assembler(10'000);
  const absl::Status status = assembler.Add(cutter.Next());
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_FALSE(assembler.complete());
}

TEST(PiecesTest, PiecesThatDoNotFitAreRefused) {
  const auto refused = [](const std::vector<Payload>& pieces) {
    PieceAssembler assembler(1 << 20);
    absl::Status status;
    for (const Payload& piece : pieces) {
      EXPECT_TRUE(status.ok()) << status;
      status = assembler.Add(piece);
    }
    return absl::IsInvalidArgument(status);
  };
  const Payload part = Message(2000);
  EXPECT_TRUE(refused({EncodePiece(0, part)}));
  EXPECT_TRUE(refused({EncodePiece(-1, part)}));
  EXPECT_TRUE(refused({EncodePiece(2000, Payload())}));
  EXPECT_TRUE(refused({EncodePiece(1999, part)}));
  // It belongs to another message.
  EXPECT_TRUE(refused({EncodePiece(5000, part), EncodePiece(5001, part)}));
  // More than it has.
  EXPECT_TRUE(refused({EncodePiece(3000, part), EncodePiece(3000, part)}));
  // Each costs more than its bytes.
  EXPECT_TRUE(refused({EncodePiece(5000, Message(1023))}));
  EXPECT_TRUE(refused({Message(50)}));
}

// They would stay in memory with the part.
TEST(PiecesTest, MuchBesideThePartIsRefused) {
  const auto added = [](int64_t bytes) {
    // An unknown field of so many bytes, a length of two.
    std::vector<uint8_t> field = {15 << 3 | 2,
                                  static_cast<uint8_t>(0x80 | (bytes & 0x7f)),
                                  static_cast<uint8_t>(bytes >> 7)};
    field.resize(field.size() + bytes);
    Payload piece = EncodePiece(2000, Message(2000));
    const Payload beside = Payload::Of(std::move(field));
    piece.Append(beside.slices()[0].owner, beside.slices()[0].bytes);
    return PieceAssembler(1 << 20).Add(piece);
  };
  EXPECT_TRUE(added(900).ok()) << added(900);
  EXPECT_TRUE(absl::IsInvalidArgument(added(1100))) << added(1100);
}

}  // namespace
}  // namespace ebb::rpc
