// What a bulk stream brings is made into messages, whatever the reads; and all
// of it is checked.
#include "rpc/internal/bulk_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/tls/job_token.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {
namespace {

constexpr int64_t kRoom = int64_t{16} << 20;

std::string FrameBytes(const BulkFrame& frame) {
  return {reinterpret_cast<const char*>(&frame), sizeof(frame)};
}
std::string Flat(const Payload& payload) {
  std::string bytes(static_cast<size_t>(payload.size()), '\0');
  payload.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return bytes;
}
std::string Values(size_t bytes, uint32_t seed) {
  std::string values(bytes, '\0');
  for (char& c : values)
    c = static_cast<char>((seed = seed * 1664525 + 1) >> 16);
  return values;
}

// A message as a sender cuts it; `between` comes after its first frame.
std::string Cut(BulkFrame frame, const std::string& token,
                const std::string& header, const std::string& values,
                const std::string& between = "") {
  frame.token_bytes = static_cast<uint32_t>(token.size());
  frame.header_bytes = static_cast<uint32_t>(header.size());
  frame.value_bytes = values.size();
  std::string bytes = FrameBytes(frame) + token + header;
  for (size_t at = 0; at < values.size() || at == 0;) {
    const size_t part = std::min<size_t>(values.size() - at, kBulkPart);
    if (at > 0) {
      bytes +=
          FrameBytes({.kind = kBulkMore, .id = frame.id, .value_bytes = part});
    }
    bytes += values.substr(at, part);
    if (at == 0) bytes += between;
    at += part;
    if (part == 0) break;
  }
  return bytes;
}

class BulkReaderTest : public testing::Test {
 protected:
  // Feeds bytes as reads of at most `most` bring them.
  absl::Status Feed(absl::string_view bytes, size_t most = 1 << 20) {
    while (!bytes.empty()) {
      std::array<iovec, BulkReader::kMostSpaces> spaces;
      const size_t n = reader_->Spaces(&spaces);
      EXPECT_GE(n, 1);
      size_t got = 0;
      for (size_t i = 0; i < n && got < most && !bytes.empty(); ++i) {
        EXPECT_GT(spaces[i].iov_len, 0);
        const size_t here =
            std::min({spaces[i].iov_len, most - got, bytes.size()});
        std::memcpy(spaces[i].iov_base, bytes.data(), here);
        bytes.remove_prefix(here);
        got += here;
        if (here < spaces[i].iov_len) break;
      }
      absl::Status status = reader_->Took(got, [this](BulkMessage one) {
        messages_.push_back(std::move(one));
        return true;
      });
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<BulkMemory> memory_ = BulkMemory::Make(kRoom, 1 << 20);
  std::unique_ptr<BulkReader> reader_ = std::make_unique<BulkReader>(memory_);
  std::vector<BulkMessage> messages_;
};

TEST_F(BulkReaderTest, MessagesAreWholeWhateverTheReads) {
  const std::string token(kTokenBytes, 't');
  const std::string large = Values((size_t{1} << 20) + 12345, 1);
  const std::string small = Values(5000, 2);
  const std::string bytes =
      Cut({.kind = kBulkPush, .id = 1}, token, "head", large,
          Cut({.kind = kBulkPull, .id = 2}, "", "pull", "") +
              Cut({.kind = kBulkReply, .status = 8, .id = 3}, "", "", small)) +
      Cut({.kind = kBulkPing}, "", "", "");
  for (const size_t most : {61, 4096, 65536, 1 << 20, 1 << 30}) {
    messages_.clear();
    ASSERT_TRUE(Feed(bytes, most).ok());
    ASSERT_EQ(messages_.size(), 4) << most;
    EXPECT_EQ(messages_[0].id, 2);
    EXPECT_EQ(Flat(messages_[0].message), "pull");
    EXPECT_EQ(messages_[1].status, 8);
    EXPECT_TRUE(Flat(messages_[1].message) == small);
    EXPECT_EQ(messages_[2].id, 1);
    EXPECT_EQ(messages_[2].token, token);
    EXPECT_TRUE(Flat(messages_[2].message) == "head" + large) << most;
    EXPECT_EQ(messages_[3].kind, kBulkPing);
  }
}

// A connection waits for so many bytes before it wakes its thread.
TEST_F(BulkReaderTest, ItSaysHowManyBytesAreSureToCome) {
  const std::string bytes = Cut({.kind = kBulkPush, .id = 1}, "token", "head",
                                Values((size_t{1} << 20) + 100, 1));
  EXPECT_EQ(reader_->due(), 0);
  absl::string_view left = bytes;
  const auto feed = [&](size_t n) {
    ASSERT_TRUE(Feed(left.substr(0, n)).ok());
    left.remove_prefix(n);
  };
  feed(sizeof(BulkFrame) - 1);
  EXPECT_EQ(reader_->due(), 0);
  feed(1);
  EXPECT_EQ(reader_->due(), 9 + kBulkPart);
  feed(9 + 1000);
  EXPECT_EQ(reader_->due(), kBulkPart - 1000);
  feed(kBulkPart - 1000);
  EXPECT_EQ(reader_->due(), 0);
  feed(sizeof(BulkFrame));
  EXPECT_EQ(reader_->due(), 100);
  feed(100);
  EXPECT_EQ(reader_->due(), 0);
  EXPECT_EQ(messages_.size(), 1);
}

TEST_F(BulkReaderTest, ValuesAreAligned) {
  ASSERT_TRUE(
      Feed(Cut({.kind = kBulkPush, .id = 1}, "", "odd", Values(3 << 20, 1)) +
           Cut({.kind = kBulkPush, .id = 2}, "", "o", Values(100, 1)))
          .ok());
  for (const BulkMessage& one : messages_) {
    const auto& slices = one.message.slices();
    for (size_t i = 1; i < slices.size(); ++i) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(slices[i].bytes.data()) % 64, 0);
    }
  }
}

TEST_F(BulkReaderTest, TheRoomIsGivenBackWithTheLastValues) {
  ASSERT_TRUE(
      Feed(Cut({.kind = kBulkPush, .id = 1}, "", "h", Values(2 << 20, 1)))
          .ok());
  EXPECT_EQ(memory_->taken_bytes(), (2 << 20) + 1);
  Payload values = messages_[0].message.Sub(1 << 20, 4);
  messages_.clear();
  EXPECT_EQ(memory_->taken_bytes(), (2 << 20) + 1);
  values = {};
  EXPECT_EQ(memory_->taken_bytes(), 0);
}

// The rest of the connection goes on.
TEST_F(BulkReaderTest, WithoutRoomAMessageIsReadAndDropped) {
  const std::string values = Values(size_t{9} << 20, 1);
  ASSERT_TRUE(Feed(Cut({.kind = kBulkPush, .id = 1}, "", "h", values)).ok());
  ASSERT_TRUE(Feed(Cut({.kind = kBulkPush, .id = 2}, "t", "h", values,
                       Cut({.kind = kBulkClock}, "", "c", "")),
                   5000)
                  .ok());
  ASSERT_TRUE(
      Feed(Cut({.kind = kBulkPush, .id = 3}, "", "h", Values(kRoom, 1))).ok());
  ASSERT_EQ(messages_.size(), 4);
  EXPECT_TRUE(messages_[0].refused.ok());
  EXPECT_TRUE(messages_[1].refused.ok());
  EXPECT_EQ(messages_[2].id, 2);
  EXPECT_TRUE(absl::IsResourceExhausted(messages_[2].refused));
  EXPECT_TRUE(messages_[2].message.empty());
  EXPECT_TRUE(absl::IsOutOfRange(messages_[3].refused));
}

TEST_F(BulkReaderTest, WhatIsAnnouncedTakesNoMemoryBeforeItComes) {
  const auto huge = BulkMemory::Make(int64_t{1} << 50, 0);
  BulkReader reader(huge);
  std::array<iovec, BulkReader::kMostSpaces> spaces;
  const BulkFrame frame = {.kind = kBulkPush,
                           .id = 1,
                           .header_bytes = kMaxHeaderBytes,
                           .value_bytes = uint64_t{1} << 48};
  ASSERT_GE(reader.Spaces(&spaces), 1);
  std::memcpy(spaces[0].iov_base, &frame, sizeof(frame));
  EXPECT_TRUE(
      reader.Took(sizeof(frame), [](BulkMessage) { return true; }).ok());
}

TEST_F(BulkReaderTest, NonsenseEndsIt) {
  const std::string begun =
      FrameBytes({.kind = kBulkPush, .id = 9, .value_bytes = 3 * kBulkPart}) +
      Values(kBulkPart, 1);
  const std::vector<std::string> all = {
      FrameBytes({.kind = 0}),
      FrameBytes({.kind = 5}),
      FrameBytes({.kind = kBulkPush, .token_bytes = kTokenBytes + 1}),
      FrameBytes({.kind = kBulkPush, .header_bytes = kMaxHeaderBytes + 1}),
      FrameBytes({.kind = kBulkPush, .value_bytes = (uint64_t{1} << 48) + 1}),
      FrameBytes({.kind = kBulkPing, .value_bytes = 1}),
      FrameBytes({.kind = kBulkPong, .header_bytes = 1}),
      FrameBytes({.kind = kBulkMore, .id = 1, .value_bytes = 1}),
      begun +
          FrameBytes({.kind = kBulkMore, .id = 8, .value_bytes = kBulkPart}),
      begun + FrameBytes({.kind = kBulkMore, .id = 9, .value_bytes = 1}),
      begun + FrameBytes(
                  {.kind = kBulkMore, .id = 9, .value_bytes = 2 * kBulkPart}),
      begun + FrameBytes({.kind = kBulkMore,
                          .id = 9,
                          .header_bytes = 1,
                          .value_bytes = kBulkPart}),
      begun + FrameBytes(
                  {.kind = kBulkPush, .id = 10, .value_bytes = 2 * kBulkPart})};
  for (const std::string& bytes : all) {
    reader_ = std::make_unique<BulkReader>(memory_);
    EXPECT_TRUE(absl::IsInvalidArgument(Feed(bytes)));
    EXPECT_TRUE(messages_.empty());
  }
  reader_.reset();
  EXPECT_EQ(memory_->taken_bytes(), 0);
}

// Any bytes: no crash, and no more memory than there is room.
TEST_F(BulkReaderTest, RandomFramesDoNoHarm) {
  std::mt19937 random(7);
  for (int i = 0; i < 40; ++i) {
    BulkReader reader(memory_);
    for (int frames = 0; frames < 30; ++frames) {
      const BulkFrame frame = {
          .kind = static_cast<uint32_t>(
              std::array{1, 2, 3, 16, 32, 33, 34, 5}[random() % 8]),
          .id = random() % 2,
          .token_bytes =
              static_cast<uint32_t>(random() % 4 == 0 ? random() % 40 : 0),
          .header_bytes =
              static_cast<uint32_t>(random() % 3 == 0 ? random() % 100'000 : 0),
          .value_bytes = random() % 2 == 0 ? kBulkPart : random() % 3'000'000};
      std::string bytes = FrameBytes(frame) + Values(random() % 50'000, i);
      absl::string_view rest = bytes;
      absl::Status status;
      while (!rest.empty() && status.ok()) {
        std::array<iovec, BulkReader::kMostSpaces> spaces;
        const size_t n = reader.Spaces(&spaces);
        size_t got = 0;
        for (size_t at = 0; at < n && !rest.empty(); ++at) {
          const size_t here = std::min(spaces[at].iov_len, rest.size());
          std::memcpy(spaces[at].iov_base, rest.data(), here);
          rest.remove_prefix(here);
          got += here;
        }
        status = reader.Took(got, [](BulkMessage) { return true; });
      }
      if (!status.ok()) break;
    }
    EXPECT_LE(memory_->taken_bytes(), kRoom);
  }
  EXPECT_EQ(memory_->taken_bytes(), 0);
}

}  // namespace
}  // namespace ebb::rpc::internal
