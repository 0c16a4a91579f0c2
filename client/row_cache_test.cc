#include "client/row_cache.h"

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "client/puller.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr PartitionId kHere(0);
constexpr Term kTerm(5);

template <typename T>
std::vector<T> Unpacked(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

std::vector<PullRows> Rows(std::vector<uint64_t> keys, int32_t table = 0) {
  return {{table, Payload::Of(std::move(keys))}};
}

std::vector<uint64_t> Asked(const CachedRows& found) {
  return found.ask.empty() ? std::vector<uint64_t>()
                           : Unpacked<uint64_t>(found.ask[0].keys);
}

// Rows of one float; under ssp with this bound, or asp for so many batches.
JobPlan Ssp(int64_t bound, int64_t rows = 100) {
  JobPlan plan;
  plan.partitions = 2;
  plan.consistency.kind = ConsistencyKind::kSsp;
  plan.consistency.clock_bound = bound;
  plan.sparse_tables = {{.width = 1, .cache_rows = rows}};
  return plan;
}
JobPlan Asp(int64_t batches) {
  JobPlan plan = Ssp(0);
  plan.consistency = {};
  plan.sparse_tables[0].cache_batches = batches;
  return plan;
}

// A batch whose pull is answered with `row` for each key it asks for.
struct Batch {
  int64_t target = 0;
  int64_t updates = 0;
  int64_t clock = 0;  // That the server says.
  Term term = kTerm;
};
std::vector<uint64_t> Batched(RowCache* cache, const Batch& batch,
                              std::vector<uint64_t> keys, float row) {
  cache->Begin(batch.target);
  CachedRows found = cache->Find(kHere, batch.term, Rows(keys));
  std::vector<uint64_t> asked = Asked(found);
  std::vector<Payload> answer;
  if (!asked.empty()) {
    answer.push_back(Payload::Of(std::vector<float>(asked.size(), row)));
  }
  EXPECT_TRUE(cache->Complete(std::move(found), kHere, batch.term,
                              batch.updates, batch.clock, std::move(answer)));
  return asked;
}

TEST(RowCacheTest, WhatIsThereIsNotAskedForAndTheRestComesInItsPlace) {
  RowCache cache(Ssp(4));
  EXPECT_TRUE(cache.on());
  Batched(&cache, {.target = 1, .updates = 7, .clock = 1}, {10, 30}, 1);
  cache.Begin(2);
  CachedRows found = cache.Find(kHere, kTerm, Rows({10, 20, 30, 40}));
  EXPECT_THAT(Asked(found), ElementsAre(20, 40));
  // The oldest of what is used.
  EXPECT_EQ(found.updates, 7);
  auto all = cache.Complete(std::move(found), kHere, kTerm, 9, 2,
                            {Payload::Of(std::vector<float>{2, 3})});
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(Unpacked<float>((*all)[0]), ElementsAre(1, 2, 1, 3));
  const CachedRowCounts counts = cache.TakeCounts();
  EXPECT_EQ(counts.used, 2);
  EXPECT_EQ(counts.pulled, 4);
}

// A push may name the list, and nothing is copied.
TEST(RowCacheTest, WhereNothingIsThereTheKeysAndRowsStayAsTheyAre) {
  RowCache cache(Ssp(4));
  const std::vector<PullRows> wanted = Rows({1, 2});
  cache.Begin(0);
  CachedRows found = cache.Find(kHere, kTerm, wanted);
  EXPECT_EQ(found.ask[0].keys.slices()[0].bytes.data(),
            wanted[0].keys.slices()[0].bytes.data());
  const Payload answer = Payload::Of(std::vector<float>{3, 4});
  auto all = cache.Complete(std::move(found), kHere, kTerm, 0, 0, {answer});
  EXPECT_EQ((*all)[0].slices()[0].bytes.data(),
            answer.slices()[0].bytes.data());
}

// The pull at clock c is answered when all have reached c - bound.
TEST(RowCacheTest, ARowServesAsLongAsItsAnswerWouldHaveServed) {
  RowCache cache(Ssp(2));
  Batched(&cache, {.target = 5, .clock = 4}, {1}, 1);
  EXPECT_THAT(Batched(&cache, {.target = 6, .clock = 4}, {1}, 2), IsEmpty());
  // 7 needs 5.
  EXPECT_THAT(Batched(&cache, {.target = 7, .clock = 5}, {1}, 3),
              ElementsAre(1));
  EXPECT_THAT(Batched(&cache, {.target = 7, .clock = 0}, {1}, 4), IsEmpty());
}

// Older servers say no clock.
TEST(RowCacheTest, AnAnswerWithoutAClockServesNoneLater) {
  RowCache cache(Ssp(2));
  Batched(&cache, {.target = 5}, {1}, 1);
  EXPECT_THAT(Batched(&cache, {.target = 6}, {1}, 1), ElementsAre(1));
}

// Whatever else the batch reads, and has waited for.
TEST(RowCacheTest, ATablesOwnBoundHolds) {
  JobPlan plan = Ssp(0);
  plan.parameters = 1;
  plan.sparse_tables = {{.width = 1, .clock_bound = 4, .cache_rows = 9},
                        {.width = 1, .clock_bound = 1, .cache_rows = 9},
                        {.width = 1,
                         .clock_bound = SparseTablePlan::kNoBound,
                         .cache_rows = 9,
                         .cache_batches = 9}};
  RowCache cache(plan);
  std::vector<PullRows> all = Rows({1});
  all.push_back(Rows({2}, 1)[0]);
  all.push_back(Rows({3}, 2)[0]);
  cache.Begin(5);
  CachedRows found = cache.Find(kHere, kTerm, all);
  cache.Complete(std::move(found), kHere, kTerm, 0, /*clock=*/4,
                 std::vector<Payload>(3, Payload::Of(std::vector<float>{1})));
  cache.Begin(6);
  found = cache.Find(kHere, kTerm, all);
  ASSERT_THAT(found.ask, SizeIs(1));
  EXPECT_EQ(found.ask[0].table, 1);
}

TEST(RowCacheTest, InAspBatchesAreCounted) {
  RowCache cache(Asp(2));
  Batched(&cache, {}, {1}, 1);
  EXPECT_THAT(Batched(&cache, {}, {1}, 2), IsEmpty());
  EXPECT_THAT(Batched(&cache, {}, {1}, 3), IsEmpty());
  EXPECT_THAT(Batched(&cache, {}, {1}, 4), ElementsAre(1));
}

TEST(RowCacheTest, BothBoundsHoldWhereThereAreTwo) {
  JobPlan plan = Ssp(100);
  plan.sparse_tables[0].cache_batches = 1;
  RowCache cache(plan);
  Batched(&cache, {.clock = 9}, {1}, 1);
  EXPECT_THAT(Batched(&cache, {}, {1}, 2), IsEmpty());
  EXPECT_THAT(Batched(&cache, {}, {1}, 3), ElementsAre(1));
}

TEST(RowCacheTest, ARowIsOfOneTermOfItsPartition) {
  RowCache cache(Asp(9));
  Batched(&cache, {}, {1}, 1);
  EXPECT_THAT(Asked(cache.Find(kHere, Term(6), Rows({1}))), ElementsAre(1));
  EXPECT_THAT(Asked(cache.Find(PartitionId(1), kTerm, Rows({1}))),
              ElementsAre(1));
  EXPECT_THAT(Asked(cache.Find(kHere, kTerm, Rows({1}))), IsEmpty());
  // A push from it was too old.
  cache.Drop(PartitionId(1));
  EXPECT_THAT(Asked(cache.Find(kHere, kTerm, Rows({1}))), IsEmpty());
  cache.Drop(kHere);
  EXPECT_THAT(Asked(cache.Find(kHere, kTerm, Rows({1}))), ElementsAre(1));
}

TEST(RowCacheTest, ThereAreNeverMoreRowsThanItMayHave) {
  RowCache cache(Ssp(1000, 3));
  Batched(&cache, {.clock = 9}, {1, 2, 3}, 1);
  EXPECT_THAT(Batched(&cache, {}, {1, 3}, 1), IsEmpty());
  // 2 was not used.
  EXPECT_THAT(Batched(&cache, {.clock = 9}, {4}, 1), ElementsAre(4));
  EXPECT_THAT(Batched(&cache, {}, {1, 3, 4}, 1), IsEmpty());
  EXPECT_THAT(Batched(&cache, {.clock = 9}, {2}, 1), ElementsAre(2));
  // More than it holds are all answered.
  EXPECT_THAT(Batched(&cache, {.clock = 9}, {5, 6, 7, 8, 9}, 1), SizeIs(5));
  cache.Clear();
  EXPECT_THAT(Batched(&cache, {}, {9}, 1), ElementsAre(9));
  EXPECT_EQ(RowCache::MostBytes(Ssp(1, 10)),
            10 * RowCache::MostBytes(Ssp(1, 1)));
}

TEST(RowCacheTest, AnswersOfOtherSizesAreNone) {
  RowCache cache(Ssp(4));
  cache.Begin(0);
  EXPECT_FALSE(cache.Complete(cache.Find(kHere, kTerm, Rows({1, 2})), kHere,
                              kTerm, 0, 0,
                              {Payload::Of(std::vector<float>(3))}));
  EXPECT_FALSE(cache.Complete(cache.Find(kHere, kTerm, Rows({1, 2})), kHere,
                              kTerm, 0, 0, {}));
}

TEST(RowCacheTest, TablesWithoutACacheAreAskedForAlways) {
  JobPlan plan = Ssp(4, 0);
  EXPECT_FALSE(RowCache(plan).on());
  plan.sparse_tables.push_back({.width = 1, .cache_rows = 2});
  RowCache cache(plan);
  std::vector<PullRows> both = Rows({1});
  both.push_back(Rows({2}, 1)[0]);
  for (const size_t asked : {2, 1}) {
    cache.Begin(0);
    CachedRows found = cache.Find(kHere, kTerm, both);
    EXPECT_THAT(found.ask, SizeIs(asked));
    const auto all = cache.Complete(
        std::move(found), kHere, kTerm, 0, 0,
        std::vector<Payload>(asked, Payload::Of(std::vector<float>{1})));
    EXPECT_THAT(*all, SizeIs(2));
  }
}

// --- In a pull ---------------------------------------------------------------

// Two servers with a partition each, of which the second has dense values, too.
class CachingPullerTest : public testing::Test {
 protected:
  CachingPullerTest() {
    place_.job = JobId(1);
    for (int32_t p = 0; p < 2; ++p) {
      place_.partitions.push_back(
          {PartitionId(p), ServerId(p), SessionId(10 + p), kTerm});
      place_.servers.push_back({ServerId(p), "ps"});
    }
    routes_.Update(place_);
  }
  static JobPlan Plan() {
    JobPlan plan = Asp(2);
    plan.partitions = 2;
    plan.parameters = 1;
    return plan;
  }
  // The partitions that are asked for rows, of a batch with a key in each.
  std::vector<SendPull> Start() {
    auto rows = std::make_shared<BatchRows>();
    rows->partitions = {Rows({4}), Rows({5})};
    PullSpec spec{JobId(1), Generation(1)};
    spec.rows = rows;
    puller_.Start(spec);
    return Pump();
  }
  std::vector<SendPull> Pump() {
    ClientActions out;
    puller_.Pump(&routes_, {}, {}, absl::UnixEpoch(), &next_request_, &out);
    std::vector<SendPull> pulls;
    for (ClientAction& action : out) {
      pulls.push_back(std::get<SendPull>(std::move(action)));
    }
    return pulls;
  }
  void Answer(const SendPull& pull, int64_t updates, float row) {
    PullReply reply;
    for (const PullSegmentRequest& asked : pull.request.segments) {
      PullSegment& one = reply.segments.emplace_back();
      one.partition = asked.partition;
      one.term = asked.term;
      one.updates = updates;
      if (!asked.rows.empty()) {
        one.rows = {Payload::Of(std::vector<float>{row})};
      }
    }
    EXPECT_TRUE(puller_.Reply(pull.id, reply, &routes_));
  }
  static float RowOf(const PulledValues& values, int32_t p) {
    return Unpacked<float>(values.row_values[p][0])[0];
  }

  Placement place_;
  Routes routes_{2};
  int64_t next_request_ = 1;
  Puller puller_{Plan()};
};

TEST_F(CachingPullerTest, APushNamesTheOldestOfWhatItWasComputedFrom) {
  for (const SendPull& pull : Start()) Answer(pull, 7, 1);
  EXPECT_THAT(puller_.TakeValues()->updates, ElementsAre(7, 7));
  // Only the dense value is asked for.
  const auto pulls = Start();
  ASSERT_THAT(pulls, SizeIs(1));
  EXPECT_EQ(pulls[0].id.server, ServerId(1));
  EXPECT_THAT(pulls[0].request.segments[0].rows, IsEmpty());
  Answer(pulls[0], 9, 2);
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  const PulledValuesPtr values = puller_.TakeValues();
  EXPECT_THAT(values->updates, ElementsAre(7, 7));
  EXPECT_THAT(values->terms, ElementsAre(kTerm, kTerm));
  EXPECT_EQ(RowOf(*values, 0), 1);
  EXPECT_EQ(RowOf(*values, 1), 1);
  const CachedRowCounts counts = puller_.TakeCachedRows();
  EXPECT_EQ(counts.used, 2);
  EXPECT_EQ(counts.pulled, 2);
}

TEST_F(CachingPullerTest, AnotherGenerationOrViewUsesNothingOfTheOld) {
  for (const SendPull& pull : Start()) Answer(pull, 7, 1);
  puller_.TakeValues();
  puller_.Forget();
  EXPECT_THAT(Start(), SizeIs(2));
}

TEST_F(CachingPullerTest, WhatIsTooOldIsPulledAgain) {
  for (const SendPull& pull : Start()) Answer(pull, 7, 1);
  puller_.TakeValues();
  puller_.DropRows(PartitionId(0));
  const auto pulls = Start();
  ASSERT_THAT(pulls, SizeIs(2));
  EXPECT_THAT(pulls[0].request.segments[0].rows, SizeIs(1));
  EXPECT_THAT(pulls[1].request.segments[0].rows, IsEmpty());
}

// The partition moves while it is asked for, and the old server answers after
// all: the new one was asked for something else.
TEST_F(CachingPullerTest, AnAnswerIsOfTheRequestThatItAnswers) {
  const auto before = Start();
  ASSERT_THAT(before, SizeIs(2));
  place_.partitions[1] = {PartitionId(1), ServerId(2), SessionId(12), Term(6)};
  place_.servers.push_back({ServerId(2), "ps"});
  routes_.Update(place_);
  const auto after = Pump();
  ASSERT_THAT(after, SizeIs(1));
  Answer(before[1], 7, 1);
  Answer(before[0], 7, 1);
  EXPECT_EQ(puller_.state(), Puller::State::kPulling);
  Answer(after[0], 3, 2);
  ASSERT_EQ(puller_.state(), Puller::State::kDone);
  const PulledValuesPtr values = puller_.TakeValues();
  EXPECT_EQ(RowOf(*values, 1), 2);
  EXPECT_EQ(values->updates[1], 3);
  EXPECT_EQ(values->terms[1], Term(6));
}

}  // namespace
}  // namespace ebb::client
