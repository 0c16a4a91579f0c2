#include "client/pusher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr ServerId kA(0), kB(1);
constexpr ItemId kItem{0, 0};

// Two partitions, one on each of two servers.
class PusherTest : public testing::Test {
 protected:
  PusherTest() : held_{ItemProgress(kItem, 6, {}, 2), {}, {}}, routes_(2) {
    record_.id = JobId(7);
    record_.plan.parameters = 4;
    record_.plan.block_floats = 2;
    record_.plan.partitions = 2;
    Placement placement;
    for (const ServerId server : {kA, kB}) {
      placement.partitions.push_back({PartitionId(server.value()), server,
                                      SessionId(100 + server.value()),
                                      Term(5)});
    }
    routes_.Update(placement);
    result_.gradient = Payload::Of(std::vector<float>{1, 2, 3, 4});
  }

  std::vector<SendPush> Send(int64_t begin, int64_t end) {
    ClientActions actions;
    pusher_.Send(
        {.record = record_, .run = {kItem, begin, end}, .result = result_},
        &held_, &routes_);
    pusher_.Pump(routes_, now_, &actions);
    std::vector<SendPush> pushes;
    for (ClientAction& action : actions) {
      pushes.push_back(std::get<SendPush>(std::move(action)));
    }
    return pushes;
  }
  void Answer(const SendPush& push, bool refused) {
    const auto taken = pusher_.Take(push.id);
    ASSERT_TRUE(taken.has_value());
    pusher_.Settle(taken->batch, refused);
  }

  absl::Time now_ = absl::UnixEpoch();
  JobRecord record_;
  LeasedItem held_;
  Routes routes_;
  ComputeResult result_;
  Pusher pusher_{1 << 20, 1 << 20};
};

TEST_F(PusherTest, EachServerGetsTheSumsOfItsPartition) {
  const std::vector<SendPush> pushes = Send(0, 2);
  ASSERT_THAT(pushes, SizeIs(2));
  for (const SendPush& push : pushes) {
    ASSERT_THAT(push.request.segments, SizeIs(1));
    const PushSegment& segment = push.request.segments[0];
    EXPECT_EQ(segment.partition.value(), push.id.server.value());
    std::array<float, 2> sums;
    ASSERT_EQ(segment.gradient.size(), sizeof(sums));
    segment.gradient.CopyTo(std::as_writable_bytes(std::span(sums)));
    EXPECT_THAT(sums,
                push.id.server == kA ? ElementsAre(1, 2) : ElementsAre(3, 4));
  }
}

TEST_F(PusherTest, NumbersThePushesToAServerWithinItsIncarnation) {
  EXPECT_EQ(Send(0, 2)[0].request.sequence, 0);
  EXPECT_EQ(Send(2, 4)[0].request.sequence, 1);
  routes_.NewIncarnation(kA);
  const std::vector<SendPush> pushes = Send(4, 6);
  EXPECT_EQ(pushes[0].request.sequence, 0);
  EXPECT_EQ(pushes[0].request.incarnation, 1);
  EXPECT_EQ(pushes[1].request.sequence, 2);
}

TEST_F(PusherTest, GoesOnlyToPartitionsThatStandAtTheBatch) {
  held_.progress.Sent(PartitionId(0), 2);
  const std::vector<SendPush> pushes = Send(0, 2);
  ASSERT_THAT(pushes, SizeIs(1));
  EXPECT_EQ(pushes[0].id.server, kB);
  EXPECT_THAT(Send(4, 6), SizeIs(0));
  EXPECT_EQ(pusher_.batches(), 1);
}

TEST_F(PusherTest, ABatchThatEveryPartitionTookCounts) {
  const std::vector<SendPush> pushes = Send(0, 2);
  Answer(pushes[0], false);
  EXPECT_EQ(pusher_.clock(), 0);
  Answer(pushes[1], false);
  EXPECT_EQ(pusher_.clock(), 1);
  EXPECT_EQ(pusher_.batches(), 0);
  EXPECT_TRUE(pusher_.idle());
}

TEST_F(PusherTest, ABatchThatOnePartitionRefusedDoesNot) {
  const std::vector<SendPush> pushes = Send(0, 2);
  Answer(pushes[0], true);
  Answer(pushes[1], false);
  EXPECT_EQ(pusher_.clock(), 0);
  EXPECT_EQ(pusher_.batches(), 0);
}

TEST_F(PusherTest, WhatIsGivenUpIsRefusedAndNotAwaited) {
  const std::vector<SendPush> pushes = Send(0, 2);
  pusher_.GiveUp(kA);
  EXPECT_FALSE(pusher_.Awaits(pushes[0].id));
  EXPECT_FALSE(pusher_.Take(pushes[0].id).has_value());
  Answer(pushes[1], false);
  EXPECT_EQ(pusher_.clock(), 0);
  EXPECT_EQ(pusher_.batches(), 0);
}

// Four partitions of 8 bytes on one server; a push carries two of them.
class PushWindowTest : public testing::Test {
 protected:
  explicit PushWindowTest(int64_t window = 32)
      : held_{ItemProgress(kItem, 6, {}, 4), {}, {}},
        routes_(4),
        pusher_(16, window) {
    record_.id = JobId(7);
    record_.plan.parameters = 8;
    record_.plan.block_floats = 2;
    record_.plan.partitions = 4;
    Placement placement;
    for (int32_t p = 0; p < 4; ++p) {
      placement.partitions.push_back(
          {PartitionId(p), kA, SessionId(100), Term(5)});
    }
    routes_.Update(placement);
    result_.gradient = Payload::Of(std::vector<float>(8, 1.0f));
  }

  // Returns what is sent, as numbers in the sequence.
  static std::vector<int64_t> Sent(const ClientActions& actions) {
    std::vector<int64_t> sequence;
    for (const ClientAction& action : actions) {
      sequence.push_back(std::get<SendPush>(action).request.sequence);
    }
    return sequence;
  }
  std::vector<int64_t> Send(int64_t begin, int64_t end) {
    ClientActions actions;
    pusher_.Send(
        {.record = record_, .run = {kItem, begin, end}, .result = result_},
        &held_, &routes_);
    pusher_.Pump(routes_, now_, &actions);
    return Sent(actions);
  }
  std::vector<int64_t> Pump() {
    ClientActions actions;
    pusher_.Pump(routes_, now_, &actions);
    return Sent(actions);
  }
  void Answer(int64_t sequence) {
    const auto taken = pusher_.Take({JobId(7), kA, 0, sequence});
    ASSERT_TRUE(taken.has_value());
    for (size_t i = 0; i < taken->segments.size(); ++i) {
      pusher_.Settle(taken->batch, false);
    }
  }

  absl::Time now_ = absl::UnixEpoch();
  JobRecord record_;
  LeasedItem held_;
  Routes routes_;
  ComputeResult result_;
  Pusher pusher_;
};

TEST_F(PushWindowTest, ABatchGoesToAServerInSeveralPushes) {
  EXPECT_THAT(Send(0, 2), ElementsAre(0, 1));
  Answer(0);
  EXPECT_EQ(pusher_.clock(), 0);
  Answer(1);
  EXPECT_EQ(pusher_.clock(), 1);
}

TEST_F(PushWindowTest, WhatHasNoRoomWaitsForAnswers) {
  EXPECT_THAT(Send(0, 2), ElementsAre(0, 1));
  EXPECT_THAT(Send(2, 4), ElementsAre());
  EXPECT_THAT(Pump(), ElementsAre());
  EXPECT_EQ(pusher_.batches(), 2);

  Answer(0);
  EXPECT_THAT(Pump(), ElementsAre(2));
  Answer(1);
  Answer(2);
  EXPECT_THAT(Pump(), ElementsAre(3));
  EXPECT_EQ(pusher_.clock(), 1);
  EXPECT_FALSE(pusher_.idle());
}

TEST_F(PushWindowTest, WhatWaitsIsGivenUpWithTheRest) {
  Send(0, 2);
  Send(2, 4);

  pusher_.GiveUp(kA);
  routes_.NewIncarnation(kA);

  EXPECT_THAT(Pump(), ElementsAre());
  EXPECT_TRUE(pusher_.idle());
  EXPECT_EQ(pusher_.batches(), 0);
  // The window is open again.
  EXPECT_THAT(Send(4, 6), ElementsAre(0, 1));
}

class TinyPushWindowTest : public PushWindowTest {
 protected:
  TinyPushWindowTest() : PushWindowTest(/*window=*/1) {}
};

TEST_F(TinyPushWindowTest, APushLargerThanTheWindowGoesAlone) {
  EXPECT_THAT(Send(0, 2), ElementsAre(0));
  EXPECT_THAT(Pump(), ElementsAre());
  Answer(0);
  EXPECT_THAT(Pump(), ElementsAre(1));
}

}  // namespace
}  // namespace ebb::client
