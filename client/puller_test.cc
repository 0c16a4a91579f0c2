#include "client/puller.h"

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::client {
namespace {

constexpr int32_t kPartitions = 4;
constexpr int64_t kBlockFloats = 16;

// Two servers, each with two partitions.
class PullerTest : public testing::Test {
 protected:
  PullerTest() {
    place_.job = JobId(1);
    for (int32_t p = 0; p < kPartitions; ++p) {
      place_.partitions.push_back(
          {PartitionId(p), ServerId(p / 2), SessionId(10 + p / 2), Term(1)});
    }
    place_.servers = {{ServerId(0), "ps-0"}, {ServerId(1), "ps-1"}};
    routes_.Update(place_);
    puller_.Start({JobId(1), Generation(1)});
  }

  std::vector<SendPull> Pump() {
    ClientActions out;
    puller_.Pump(&routes_, {}, options_, now_, &next_request_, &out);
    std::vector<SendPull> pulls;
    for (ClientAction& action : out) {
      pulls.push_back(std::get<SendPull>(std::move(action)));
    }
    return pulls;
  }

  static PullReply ReplyTo(const SendPull& pull, PullResult result) {
    PullReply reply;
    for (const PullSegmentRequest& asked : pull.request.segments) {
      reply.segments.push_back(
          {.partition = asked.partition, .result = result});
    }
    return reply;
  }

  Placement place_;
  Routes routes_{kPartitions};
  ClientOptions options_;
  absl::Time now_ = absl::UnixEpoch();
  int64_t next_request_ = 1;
  static JobPlan Plan() {
    JobPlan plan;
    plan.partitions = kPartitions;
    plan.block_floats = kBlockFloats;
    plan.parameters = kPartitions * kBlockFloats;
    return plan;
  }
  Puller puller_{Plan()};
};

TEST_F(PullerTest, AsksEachServerOnce) {
  const auto pulls = Pump();
  ASSERT_EQ(pulls.size(), 2);
  EXPECT_EQ(pulls[0].request.segments.size(), 2);
  EXPECT_TRUE(Pump().empty());
  EXPECT_TRUE(puller_.Reply(pulls[0].id, ReplyTo(pulls[0], PullResult::kValues),
                            &routes_));
  EXPECT_TRUE(Pump().empty());
  EXPECT_TRUE(puller_.Reply(pulls[1].id, ReplyTo(pulls[1], PullResult::kValues),
                            &routes_));
  EXPECT_EQ(puller_.state(), Puller::State::kDone);
}

TEST_F(PullerTest, ValuesBeyondWhatOnePullMayHaveComeInAnother) {
  options_.pull_bytes = kBlockFloats * sizeof(float) * 3 / 2;  // One each.
  const auto first = Pump();
  ASSERT_EQ(first.size(), 2);
  EXPECT_EQ(first[0].request.segments.size(), 1);
  EXPECT_TRUE(Pump().empty());
  for (const SendPull& pull : first) {
    puller_.Reply(pull.id, ReplyTo(pull, PullResult::kValues), &routes_);
  }
  const auto second = Pump();
  ASSERT_EQ(second.size(), 2);
  EXPECT_NE(second[0].request.segments[0].partition,
            first[0].request.segments[0].partition);
  for (const SendPull& pull : second) {
    puller_.Reply(pull.id, ReplyTo(pull, PullResult::kValues), &routes_);
  }
  EXPECT_EQ(puller_.state(), Puller::State::kDone);
}

// Bug: a pull of a large partition over a slow network ran out of time, and was
// asked for again for ever.
TEST_F(PullerTest, ALargePullHasMoreTime) {
  const auto small = Pump();
  ASSERT_EQ(small.size(), 2);
  EXPECT_EQ(small[0].request.expected_bytes, 2 * kBlockFloats * 4);
  EXPECT_EQ(small[0].timeout, options_.pull_timeout);
  JobPlan plan = Plan();
  plan.block_floats = int64_t{50} << 20;
  plan.parameters = kPartitions * plan.block_floats;
  Puller large(plan);
  large.Start({JobId(1), Generation(1)});
  ClientActions out;
  large.Pump(&routes_, {}, options_, now_, &next_request_, &out);
  ASSERT_EQ(out.size(), 2);
  const SendPull& pull = std::get<SendPull>(out[0]);
  EXPECT_EQ(pull.request.expected_bytes, int64_t{200} << 20);
  EXPECT_EQ(pull.timeout, absl::Seconds(50));
}

// Of a job whose rows weigh more than its dense values.
TEST_F(PullerTest, RowsCountTowardsWhatOnePullMayHave) {
  JobPlan plan = Plan();
  plan.sparse_tables = {{.width = 100}};
  Puller sparse(plan);
  auto rows = std::make_shared<BatchRows>();
  rows->partitions.resize(kPartitions);
  for (auto& of_partition : rows->partitions) {
    of_partition.push_back({0, Payload::Of(std::vector<uint64_t>(10))});
  }
  PullSpec spec{JobId(1), Generation(1)};
  spec.rows = rows;
  sparse.Start(spec);
  // One partition has 10 rows of 400 bytes, and their keys.
  options_.pull_bytes = 10 * 408 * 3 / 2;
  ClientActions out;
  sparse.Pump(&routes_, {}, options_, now_, &next_request_, &out);
  ASSERT_EQ(out.size(), 2);
  EXPECT_EQ(std::get<SendPull>(out[0]).request.segments.size(), 1);
  EXPECT_EQ(std::get<SendPull>(out[1]).request.segments.size(), 1);
}

TEST_F(PullerTest, AsksAgainForWhatMustWait) {
  const auto pulls = Pump();
  puller_.Reply(pulls[0].id, ReplyTo(pulls[0], PullResult::kWait), &routes_);
  const auto again = Pump();
  ASSERT_EQ(again.size(), 1);
  EXPECT_EQ(again[0].address, "ps-0");
}

TEST_F(PullerTest, AsksAgainForWhatAReplyLeftOut) {
  const auto pulls = Pump();
  PullReply half = ReplyTo(pulls[0], PullResult::kValues);
  half.segments.pop_back();
  puller_.Reply(pulls[0].id, std::move(half), &routes_);
  const auto again = Pump();
  ASSERT_EQ(again.size(), 1);
  EXPECT_EQ(again[0].request.segments.size(), 1);
}

TEST_F(PullerTest, AsksAgainWhenAServersPauseIsOver) {
  const auto pulls = Pump();
  EXPECT_TRUE(puller_.Failed(pulls[1].id));
  routes_.LacksRoom(ServerId(1), now_);
  EXPECT_TRUE(Pump().empty());
  now_ = routes_.NextRetry(now_);
  ASSERT_LT(now_, absl::InfiniteFuture());
  EXPECT_EQ(Pump().size(), 1);
  EXPECT_EQ(routes_.NextRetry(now_), absl::InfiniteFuture());
}

TEST_F(PullerTest, AsksWhereAPartitionWentWhileItWaits) {
  ASSERT_EQ(Pump().size(), 2);
  for (PartitionPlace& place : place_.partitions) {
    if (place.server != ServerId(1)) continue;
    place.server = ServerId(2);
    place.server_session = SessionId(12);
    place.term = Term(2);
  }
  place_.servers.push_back({ServerId(2), "ps-2"});
  routes_.Update(place_);
  const auto moved = Pump();
  ASSERT_EQ(moved.size(), 1);
  EXPECT_EQ(moved[0].address, "ps-2");
}

// Bug: nobody asked for it when that server had answered.
TEST_F(PullerTest, AsksABusyServerForWhatMovedThere) {
  const auto pulls = Pump();
  ASSERT_EQ(pulls.size(), 2);
  place_.partitions[0].server = ServerId(1);
  place_.partitions[0].server_session = SessionId(11);
  place_.partitions[0].term = Term(2);
  routes_.Update(place_);
  EXPECT_TRUE(Pump().empty());  // It is busy.
  PullReply half = ReplyTo(pulls[0], PullResult::kValues);
  half.segments[0].result = PullResult::kWrongPlacement;
  puller_.Reply(pulls[0].id, std::move(half), &routes_);
  EXPECT_TRUE(Pump().empty());
  puller_.Reply(pulls[1].id, ReplyTo(pulls[1], PullResult::kValues), &routes_);
  const auto last = Pump();
  ASSERT_EQ(last.size(), 1);
  EXPECT_EQ(last[0].id.server, ServerId(1));
  ASSERT_EQ(last[0].request.segments.size(), 1);
  EXPECT_EQ(last[0].request.segments[0].partition, PartitionId(0));
}

TEST_F(PullerTest, NeedsAPlacementWhereNoRouteIsKnown) {
  routes_.Forget(PartitionId(3));
  EXPECT_EQ(Pump().size(), 2);
  EXPECT_EQ(puller_.state(), Puller::State::kNeedsPlacement);
  place_.partitions[3].term = Term(2);
  routes_.Update(place_);
  EXPECT_TRUE(Pump().empty());  // One request to a server at a time.
  EXPECT_EQ(puller_.state(), Puller::State::kPulling);
}

// A pull that may go on without servers that are away, after one that had all
// values: partition p was at update p.
class GoingOnTest : public PullerTest {
 protected:
  GoingOnTest() {
    Start(1);
    for (const SendPull& pull : Pump()) {
      PullReply reply = ReplyTo(pull, PullResult::kValues);
      for (PullSegment& one : reply.segments) {
        one.updates = one.partition.value();
        one.term = Term(1);
      }
      puller_.Reply(pull.id, std::move(reply), &routes_);
    }
    puller_.TakeValues();
  }
  void Start(uint64_t generation) {
    puller_.Start(
        {.job = JobId(1), .generation = Generation(generation), .go_on = true});
  }
  // The second server breaks while it is asked, the first answers.
  void BreakSecond() {
    const auto pulls = Pump();
    ASSERT_EQ(pulls.size(), 2);
    puller_.Reply(pulls[0].id, ReplyTo(pulls[0], PullResult::kValues),
                  &routes_);
    EXPECT_TRUE(puller_.Failed(pulls[1].id));
    routes_.Broke(ServerId(1), {}, /*urgent=*/true, absl::Seconds(1), now_);
  }
};

TEST_F(GoingOnTest, TakesWhatIsAwayFromThePullBefore) {
  Start(1);
  BreakSecond();
  EXPECT_TRUE(Pump().empty());
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  EXPECT_EQ(puller_.TakeValues()->updates, (std::vector<int64_t>{0, 0, 2, 3}));
  // The next asks again once the pause is over.
  Start(1);
  now_ = routes_.NextRetry(now_);
  EXPECT_EQ(Pump().size(), 2);
}

TEST_F(GoingOnTest, TakesAllThatIsAwayHoweverLittleOnePullMayHave) {
  options_.pull_bytes = kBlockFloats * sizeof(float);
  Start(1);
  BreakSecond();
  for (const SendPull& pull : Pump()) {
    puller_.Reply(pull.id, ReplyTo(pull, PullResult::kValues), &routes_);
  }
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  EXPECT_EQ(puller_.TakeValues()->updates, (std::vector<int64_t>{0, 0, 2, 3}));
}

TEST_F(GoingOnTest, TakesNothingOfAnotherGeneration) {
  Start(2);
  BreakSecond();
  EXPECT_TRUE(Pump().empty());
  EXPECT_EQ(puller_.state(), Puller::State::kPulling);
}

TEST_F(GoingOnTest, WaitsForAServerThatHasNoRoomButAnswers) {
  Start(1);
  routes_.LacksRoom(ServerId(1), now_);
  EXPECT_EQ(Pump().size(), 1);
  EXPECT_EQ(puller_.state(), Puller::State::kPulling);
}

TEST_F(GoingOnTest, SaysWhatItHasAndKeepsWhatIsUnchanged) {
  Start(1);
  const auto pulls = Pump();
  ASSERT_EQ(pulls.size(), 2);
  EXPECT_EQ(pulls[1].request.segments[1].known_updates, 3);
  PullReply reply = ReplyTo(pulls[0], PullResult::kValues);
  reply.segments[0].result = PullResult::kUnchanged;
  reply.segments[0].term = Term(1);
  reply.segments[1].updates = 8;
  puller_.Reply(pulls[0].id, std::move(reply), &routes_);
  puller_.Reply(pulls[1].id, ReplyTo(pulls[1], PullResult::kValues), &routes_);
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  EXPECT_EQ(puller_.TakeValues()->updates, (std::vector<int64_t>{0, 8, 0, 0}));
}

TEST_F(GoingOnTest, FrozenValuesAreThoseOfMoreUpdates) {
  Start(1);
  const auto pulls = Pump();
  PullReply reply = ReplyTo(pulls[1], PullResult::kUnchanged);
  reply.segments[0].term = reply.segments[1].term = Term(1);
  reply.segments[0].updates = 2;
  reply.segments[1].updates = 40;  // It has 3.
  puller_.Reply(pulls[1].id, std::move(reply), &routes_);
  puller_.Reply(pulls[0].id, ReplyTo(pulls[0], PullResult::kValues), &routes_);
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  EXPECT_EQ(puller_.TakeValues()->updates[3], 40);
}

// A new term may have begun with older values, and counts from there.
TEST_F(GoingOnTest, OfAnotherTermItHasNothing) {
  place_.partitions[3].term = Term(2);
  routes_.Update(place_);
  Start(1);
  const auto pulls = Pump();
  ASSERT_EQ(pulls.size(), 2);
  EXPECT_EQ(pulls[1].request.segments[0].known_updates, 2);
  EXPECT_EQ(pulls[1].request.segments[1].known_updates, std::nullopt);
  Start(2);
  EXPECT_EQ(Pump()[0].request.segments[0].known_updates, std::nullopt);
}

TEST_F(GoingOnTest, AsksAgainIfWhatIsSaidToBeUnchangedIsNotWhatItHas) {
  Start(1);
  const auto pulls = Pump();
  PullReply reply = ReplyTo(pulls[1], PullResult::kUnchanged);
  reply.segments[0].term = reply.segments[1].term = Term(1);
  reply.segments[0].updates = 2;
  reply.segments[1].updates = 2;  // It has 3.
  puller_.Reply(pulls[1].id, std::move(reply), &routes_);
  const auto again = Pump();
  ASSERT_EQ(again.size(), 1);
  ASSERT_EQ(again[0].request.segments.size(), 1);
  EXPECT_EQ(again[0].request.segments[0].partition, PartitionId(3));
}

TEST_F(GoingOnTest, AsksWhoServesAPartitionAndGoesOn) {
  Start(1);
  routes_.Forget(PartitionId(3));
  const auto pulls = Pump();
  ASSERT_EQ(pulls.size(), 2);
  for (const SendPull& pull : pulls) {
    puller_.Reply(pull.id, ReplyTo(pull, PullResult::kValues), &routes_);
  }
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  EXPECT_EQ(puller_.TakeValues()->updates[3], 3);
}

}  // namespace
}  // namespace ebb::client
