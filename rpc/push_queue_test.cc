#include "rpc/internal/push_queue.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::rpc::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Queue = PushQueue<int>;
// The pushes of each call.
using Sent = std::vector<std::vector<int>>;

Sent PushesOf(const Queue::Calls& calls) {
  Sent sent;
  for (const Queue::Call& call : calls) sent.push_back(call.pushes);
  return sent;
}

const absl::Time kUntil = absl::UnixEpoch() + absl::Seconds(10);

PushStream StreamOf(int64_t incarnation) {
  PushStream stream;
  stream.job = JobId(1);
  stream.worker = SessionId(2);
  stream.server = SessionId(3);
  stream.incarnation = incarnation;
  return stream;
}

class PushQueueTest : public testing::Test {
 protected:
  // Of so many bytes; named by its sequence number.
  Sent Add(int64_t sequence, int64_t bytes = 100, absl::Time until = kUntil) {
    return PushesOf(queue_.Add(stream_, sequence, until, bytes,
                               static_cast<int>(sequence)));
  }
  // Of a call of so many.
  Sent Ended(size_t pushes = 1) {
    return PushesOf(queue_.Ended(stream_, pushes));
  }
  // Sequence numbers that wait, from 2 on.
  void Fill(int64_t end) {
    EXPECT_EQ(Add(0), Sent{{0}});
    EXPECT_EQ(Add(1), Sent{{1}});
    for (int64_t i = 2; i < end; ++i) EXPECT_THAT(Add(i), IsEmpty());
  }

  const PushStream stream_ = StreamOf(0);
  const PushQueueOptions options_{};
  Queue queue_{options_};
};

TEST_F(PushQueueTest, WhatWaitsForACallGoesTogetherWhenOneEnds) {
  Fill(5);
  EXPECT_EQ(Ended(), (Sent{{2, 3, 4}}));
  EXPECT_THAT(Add(5), IsEmpty());
  EXPECT_THAT(Ended(), IsEmpty());  // Three are under way.
  EXPECT_THAT(Add(6), IsEmpty());
  EXPECT_EQ(Ended(3), (Sent{{5, 6}}));
  EXPECT_THAT(Ended(2), IsEmpty());
}

TEST_F(PushQueueTest, WhoHasTwoUnderWayWaitsForNothing) {
  Fill(2);
  for (int i = 2; i < 20; ++i) {
    EXPECT_THAT(Ended(), IsEmpty());
    EXPECT_EQ(Add(i), Sent{{i}});
  }
}

// While the server is busy with the first call it gets the second.
TEST_F(PushQueueTest, FourGoBesideACall) {
  Fill(8);
  EXPECT_EQ(Ended(), (Sent{{2, 3, 4, 5, 6, 7}}));
  EXPECT_THAT(Ended(), IsEmpty());
  for (int i = 8; i < 11; ++i) EXPECT_THAT(Add(i), IsEmpty());
  EXPECT_EQ(Add(11), (Sent{{8, 9, 10, 11}}));
  // But no third.
  for (int i = 12; i < 20; ++i) EXPECT_THAT(Add(i), IsEmpty());
  EXPECT_EQ(Ended(6), (Sent{{12, 13, 14, 15, 16, 17, 18, 19}}));
}

TEST_F(PushQueueTest, WithNothingUnderWayNothingIsKnown) {
  Fill(2);
  Ended();
  Ended();
  EXPECT_EQ(Add(0), Sent{{0}});
  EXPECT_EQ(Add(1), Sent{{1}});
  EXPECT_THAT(Add(2), IsEmpty());
}

TEST_F(PushQueueTest, ACallHas64PushesAtMost) {
  Fill(2 + 64 + 1);
  const Sent first = Ended();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].size(), 64u);
  EXPECT_THAT(Ended(), IsEmpty());
  EXPECT_EQ(Ended(64), Sent{{66}});
}

TEST_F(PushQueueTest, ACallHasSoManyBytesAtMost) {
  Fill(2);
  for (int i = 2; i < 7; ++i) EXPECT_THAT(Add(i, 256 << 10), IsEmpty());
  // Four would be 1 MiB, and what is before each of them.
  EXPECT_EQ(Ended(), (Sent{{2, 3, 4}}));
  EXPECT_THAT(Ended(), IsEmpty());
  EXPECT_EQ(Ended(3), (Sent{{5, 6}}));
}

TEST_F(PushQueueTest, ALargePushNeitherWaitsNorOvertakes) {
  constexpr int64_t kLarge = (256 << 10) + 1;
  Fill(4);
  EXPECT_EQ(Add(4, kLarge), (Sent{{2, 3}, {4}}));
  EXPECT_THAT(Add(5), IsEmpty());
  // Three calls of small ones were under way.
  EXPECT_THAT(Ended(), IsEmpty());
  EXPECT_THAT(Ended(), IsEmpty());
  EXPECT_EQ(Ended(2), Sent{{5}});
}

TEST_F(PushQueueTest, LargePushesHoldUpNobody) {
  constexpr int64_t kLarge = 1 << 20;
  for (int i = 0; i < 4; ++i) {
    const auto calls = queue_.Add(stream_, i, kUntil, kLarge, i);
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].counts, 0u);
  }
  EXPECT_EQ(Add(4), Sent{{4}});
}

// The server holds those that are under way until it comes.
TEST_F(PushQueueTest, OneThatIsJudgedBeforeThoseUnderWayGoesAtOnce) {
  EXPECT_EQ(Add(1), Sent{{1}});
  EXPECT_EQ(Add(2), Sent{{2}});
  EXPECT_THAT(Add(3), IsEmpty());
  EXPECT_EQ(Add(0), (Sent{{3}, {0}}));
  EXPECT_THAT(Add(4), IsEmpty());
}

// It could not be told in time that its deadline has passed.
TEST_F(PushQueueTest, OneWhoseDeadlineIsBeforeThatOfOthersGoesAtOnce) {
  Fill(3);
  EXPECT_EQ(Add(3, 100, kUntil - absl::Seconds(1)), (Sent{{2}, {3}}));
  EXPECT_THAT(Add(4), IsEmpty());
}

// It is what makes the server answer those of the incarnation before.
TEST_F(PushQueueTest, OnlyThoseOfOneStreamWaitForEachOther) {
  Fill(3);
  std::vector<PushStream> others(5, stream_);
  others[0].job = JobId(9);
  others[1].worker = SessionId(9);
  others[2].server = SessionId(9);
  others[3].incarnation = 9;
  others[4].shown = "token";
  for (const PushStream& other : others) {
    EXPECT_EQ(PushesOf(queue_.Add(other, 1, kUntil, 100, 90)), Sent{{90}});
    EXPECT_EQ(PushesOf(queue_.Add(other, 2, kUntil, 100, 91)), Sent{{91}});
    EXPECT_THAT(queue_.Add(other, 3, kUntil, 100, 92), IsEmpty());
    const auto calls = queue_.Ended(other, 1);
    EXPECT_EQ(PushesOf(calls), Sent{{92}});
    EXPECT_EQ(calls[0].stream, other);
  }
  EXPECT_EQ(Ended(), Sent{{2}});
}

TEST_F(PushQueueTest, SeparateLetsEverybodyGo) {
  Fill(4);
  EXPECT_EQ(PushesOf(queue_.Separate()), (Sent{{2}, {3}}));
  for (int i = 4; i < 8; ++i) EXPECT_EQ(Add(i), Sent{{i}});
  EXPECT_THAT(Ended(), IsEmpty());
  EXPECT_THAT(queue_.Separate(), IsEmpty());
}

}  // namespace
}  // namespace ebb::rpc::internal
