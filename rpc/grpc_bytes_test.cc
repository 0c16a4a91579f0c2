#include "rpc/internal/grpc_bytes.h"

#include <string>
#include <vector>

#include "common/payload.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::rpc::internal {
namespace {

using ::testing::ElementsAre;

Payload Bytes(size_t n, char first) {
  std::vector<char> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>(first + i);
  return Payload::Of(std::move(bytes));
}

void Append(const Payload& part, Payload* payload) {
  for (const Payload::Slice& slice : part.slices()) {
    payload->Append(slice.owner, slice.bytes);
  }
}

std::vector<grpc::Slice> SlicesOf(const Payload& payload) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(ToByteBuffer(payload).Dump(&slices).ok());
  return slices;
}

// Each was a slice of its own: 128 and more of a push to 64 partitions.
TEST(GrpcBytesTest, ShortSlicesTravelTogetherAndLongOnesUncopied) {
  const Payload large = Bytes(10'000, 'a');
  Payload payload;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    Append(Bytes(128, static_cast<char>(i)), &payload);
    Append(Bytes(1024, static_cast<char>(-i)), &payload);
  }
  Append(large, &payload);
  Append(Bytes(3, 'x'), &payload);
  expected.resize(payload.size());
  payload.CopyTo(std::as_writable_bytes(std::span(expected)));

  const std::vector<grpc::Slice> slices = SlicesOf(payload);

  std::string sent;
  std::vector<size_t> sizes;
  for (const grpc::Slice& slice : slices) {
    sizes.push_back(slice.size());
    sent.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  EXPECT_EQ(sent, expected);
  // 64 KiB hold 56 pairs and a short one.
  EXPECT_THAT(sizes, ElementsAre(64'640, 50'560, 10'000, 3));
  EXPECT_EQ(slices[2].begin(),
            reinterpret_cast<const uint8_t*>(large.slices()[0].bytes.data()));
}

TEST(GrpcBytesTest, NothingIsNoSlice) {
  EXPECT_TRUE(SlicesOf(Payload()).empty());
}

TEST(GrpcBytesTest, ComesBackAsItWas) {
  Payload payload = Bytes(700, 'a');
  Append(Bytes(5000, 'b'), &payload);
  std::string expected(payload.size(), 0), arrived = expected;
  payload.CopyTo(std::as_writable_bytes(std::span(expected)));

  const Payload back = ToPayload(ToByteBuffer(payload));

  ASSERT_EQ(back.size(), payload.size());
  back.CopyTo(std::as_writable_bytes(std::span(arrived)));
  EXPECT_EQ(arrived, expected);
}

}  // namespace
}  // namespace ebb::rpc::internal
