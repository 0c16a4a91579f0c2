#include "bench/plane/emulated_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "bench/plane/raw_socket.h"

namespace ebb::bench {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// A raw socket over a link. It needs root and TUN devices; elsewhere the
// refusal says so.
class EmulatedLinkTest : public testing::Test {
 protected:
  // False: there can be no link here.
  bool Make() {
    auto link = EmulatedLink::Make();
    if (!link.ok()) {
      EXPECT_THAT(std::string(link.status().message()),
                  AnyOf(HasSubstr("root"), HasSubstr("tun")));
      return false;
    }
    link_ = *std::move(link);
    auto raw = RawSocket::Start({}, {}, link_->far());
    EXPECT_TRUE(raw.ok()) << raw.status();
    if (!raw.ok()) return false;
    raw_ = *std::move(raw);
    return true;
  }

  std::unique_ptr<EmulatedLink> link_;
  std::unique_ptr<RawSocket> raw_;
};

TEST_F(EmulatedLinkTest, ARoundTripTakesItsDelay) {
  if (!Make()) return;
  ASSERT_TRUE(link_->SetShape({.round_trip_ns = 20'000'000}).ok());
  const auto seconds = raw_->PingPong(4, 5);
  ASSERT_TRUE(seconds.ok()) << seconds.status();
  EXPECT_GE(*std::ranges::min_element(*seconds), 0.020);
}

TEST_F(EmulatedLinkTest, NoMoreThanTheRatePasses) {
  if (!Make()) return;
  ASSERT_TRUE(link_->SetShape({.bits_per_second = 400'000'000}).ok());
  const Transfer transfer = {.bytes = 4 << 20, .operations = 2};
  const auto sample = raw_->Run(transfer, 1 << 20);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_GT(sample->seconds, 8 * transfer.gigabytes() / 0.4);
}

TEST_F(EmulatedLinkTest, ASmallWindowLimitsALongLink) {
  if (!Make()) return;
  ASSERT_TRUE(link_->SetMostWindow(256 << 10).ok());
  raw_.reset();
  auto raw = RawSocket::Start({}, {}, link_->far());
  ASSERT_TRUE(raw.ok()) << raw.status();
  ASSERT_TRUE(link_->SetShape({.round_trip_ns = 20'000'000}).ok());
  // Sixteen windows at least, and so many round trips.
  const auto sample = (*raw)->Run({.bytes = 4 << 20, .operations = 1}, 1 << 20);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_GT(sample->seconds, 16 * 0.020);
}

TEST_F(EmulatedLinkTest, WhatIsLostIsSentAgain) {
  if (!Make()) return;
  ASSERT_TRUE(link_->SetShape({.loss = 0.01}).ok());
  Transfer transfer = {.bytes = 4 << 20, .operations = 1};
  ASSERT_TRUE(raw_->Run(transfer, 1 << 20).ok());
  EXPECT_GT(link_->counts().dropped, 0);
  // Whole again.
  ASSERT_TRUE(link_->SetShape({}).ok());
  transfer.direction = Direction::kPull;
  const auto pulled = raw_->Run(transfer, 1 << 20);
  EXPECT_TRUE(pulled.ok()) << pulled.status();
}

}  // namespace
}  // namespace ebb::bench
