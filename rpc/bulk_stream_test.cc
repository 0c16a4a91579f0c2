// The order in which a bulk stream writes is fair.
#include "rpc/internal/bulk_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/fd.h"
#include "gtest/gtest.h"
#include "rpc/internal/bulk_memory.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/bulk_socket.h"
#include "rpc/transport_contract.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {
namespace {

// Takes nothing until Open(), and then keeps all that is written.
class GateSocket : public BulkSocket {
 public:
  struct Log {
    bool open = false;
    std::string written;
  };

  GateSocket(Fd socket, std::shared_ptr<Log> log)
      : socket_(std::move(socket)), log_(std::move(log)) {}

  int fd() const override { return socket_.get(); }
  absl::StatusOr<size_t> Read(std::span<const iovec>) override { return 0; }
  void Await(uint64_t) override {}
  absl::StatusOr<size_t> Write(std::span<const iovec> from) override {
    if (!log_->open) return 0;
    size_t taken = 0;
    for (const iovec& one : from) {
      log_->written.append(static_cast<const char*>(one.iov_base), one.iov_len);
      taken += one.iov_len;
    }
    return taken;
  }
  bool Unsent() const override { return false; }
  uint64_t sent_bytes() const override { return log_->written.size(); }

 private:
  const Fd socket_;
  const std::shared_ptr<Log> log_;
};

constexpr uint64_t kLarge = 1, kSmall = 2;

BulkOutgoing PushOf(uint64_t id, size_t floats) {
  return {.kind = kBulkPush,
          .id = id,
          .message = Encode(MakePush(1, std::vector<float>(floats, 1.0F)))};
}

// Returns the id of each frame, and the bytes that it has with its values.
std::vector<std::pair<uint64_t, uint64_t>> FramesIn(const std::string& bytes) {
  std::vector<std::pair<uint64_t, uint64_t>> frames;
  for (size_t at = 0; at + sizeof(BulkFrame) <= bytes.size();) {
    BulkFrame frame;
    std::memcpy(&frame, bytes.data() + at, sizeof(frame));
    const uint64_t size = sizeof(frame) + frame.token_bytes +
                          frame.header_bytes +
                          std::min(frame.value_bytes, kBulkPart);
    frames.emplace_back(frame.id, size);
    at += size;
  }
  return frames;
}

// Bug: as long as small messages came faster than the connection took them, a
// large one stood still, until its sender gave it up.
TEST(BulkStreamTest, ALargeMessageGetsItsTurnAmongManySmallOnes) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Fd other(ends[1]);
  const auto log = std::make_shared<GateSocket::Log>();
  const auto stream = BulkStream::Make(
      std::make_unique<GateSocket>(Fd(ends[0]), log),
      BulkMemory::Make(int64_t{64} << 20, 0), BulkStreamOptions());
  ASSERT_TRUE(stream.ok()) << stream.status();

  constexpr size_t kParts = 6, kFloats = kBulkPart / sizeof(float);
  ASSERT_TRUE((*stream)->Send(PushOf(kLarge, kParts * kFloats),
                              BulkStream::Order::kBySize));
  // More than all turns of the large one leave room for.
  const size_t smalls = 2 * kParts * BulkStream::kMostPassing / kBulkPart;
  for (size_t i = 0; i < smalls; ++i) {
    ASSERT_TRUE((*stream)->Send(PushOf(kSmall, kFloats - 1000),
                                BulkStream::Order::kBySize));
  }
  log->open = true;
  const absl::Status ended = (*stream)->Run([](BulkMessage) { return true; },
                                            [&]() -> std::optional<absl::Time> {
                                              if ((*stream)->AllSent())
                                                return std::nullopt;
                                              return absl::InfiniteFuture();
                                            });
  ASSERT_TRUE(ended.ok()) << ended;

  size_t larges = 0, small_ones = 0;
  uint64_t passing = 0, most_passing = 0;
  for (const auto& [id, size] : FramesIn(log->written)) {
    if (id == kLarge) {
      ++larges;
      passing = 0;
      continue;
    }
    passing += size;
    if (id != kSmall) continue;  // A sign of life, after a while.
    ++small_ones;
    if (larges < kParts) most_passing = std::max(most_passing, passing);
  }
  EXPECT_EQ(larges, kParts);
  EXPECT_EQ(small_ones, smalls);
  EXPECT_GT(most_passing, kBulkPart) << "small messages go first";
  EXPECT_LT(most_passing, BulkStream::kMostPassing + kBulkPart);
}

}  // namespace
}  // namespace ebb::rpc::internal
