#include "data/growing/chain_search.h"

#include "common/objects/memory_objects.h"
#include "data/growing/codec.h"
#include "data/growing/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::growing {
namespace {

using ::testing::HasSubstr;

TEST(ChainSearchTest, FindsTheTailOfChainsOfAnyLength) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int64_t length = 0; length < 70; ++length) {
    for (const int64_t hint : {int64_t{0}, length / 2, length}) {
      const auto tail = FindTail(&store, chain.about().identity, {0, hint});
      ASSERT_TRUE(tail.ok()) << tail.status();
      EXPECT_EQ(tail->place, length);
      EXPECT_EQ(tail->number, 2 * length);
      EXPECT_EQ(tail->ends, chain.tail().ends);
      EXPECT_EQ(tail->before, chain.tail().before);
    }
    chain.Append("p", {1, 2});
  }
}

TEST(ChainSearchTest, TakesFewRequests) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int i = 0; i < 1000; ++i) chain.AppendHoles("p", 1);
  int requests = 0;
  store.BeforeCalls([&](const ObjectCall&) {
    ++requests;
    return absl::OkStatus();
  });
  ASSERT_TRUE(FindTail(&store, chain.about().identity, {}).ok());
  EXPECT_LT(requests, 30);
  requests = 0;
  ASSERT_TRUE(FindTail(&store, chain.about().identity, {0, 1000}).ok());
  EXPECT_LE(requests, 5);
}

TEST(ChainSearchTest, BeginsAtTheHighestFloor) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int i = 0; i < 40; ++i) chain.Append("p", {1});
  for (const int64_t place : {3, 9, 20, 39}) {
    chain.PutFloor(place);
    for (const int64_t hint : {0, 2, 20, 40}) {
      const auto tail = FindTail(&store, chain.about().identity, {0, hint});
      ASSERT_TRUE(tail.ok()) << tail.status();
      EXPECT_EQ(tail->place, 40);
      EXPECT_EQ(tail->lowest_place(), place);
      EXPECT_EQ(tail->lowest_number(), place);
      EXPECT_EQ(tail->floors, chain.tail().floors);
    }
  }
}

TEST(ChainSearchTest, BeginsAgainIfAFloorRisesMeanwhile) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int i = 0; i < 40; ++i) chain.Append("p", {1});
  chain.PutFloor(5);
  for (int after = 0; after < 12; ++after) {
    int requests = 0;
    const int64_t place = 6 + after;
    ChainSearch search(chain.about().identity, {});
    while (const auto next = search.Next()) {
      if (requests++ == after) chain.PutFloor(place);
      search.Take(store.Get(next->key, {.bytes = next->bytes}));
    }
    ASSERT_TRUE(search.status().ok()) << search.status();
    EXPECT_EQ(search.tail().place, 40);
    EXPECT_EQ(search.tail().lowest_place(), chain.tail().floor->place);
  }
}

TEST(ChainSearchTest, NamesDamage) {
  MemoryObjects store;
  TestChain chain(&store);
  for (int i = 0; i < 10; ++i) chain.Append("p", {1});
  const auto find = [&] {
    return FindTail(&store, chain.about().identity, {}).status();
  };
  chain.PutFloor(4);
  ASSERT_TRUE(store.Delete(ObjectKey(4)).ok());
  EXPECT_EQ(find().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(find().message(), HasSubstr("no floor says"));
  EXPECT_EQ(
      FindTail(&store, std::string(kIdentityBytes, 'x'), {}).status().code(),
      absl::StatusCode::kDataLoss);
  EXPECT_EQ(FindTail(&store, chain.about().identity, {3, 0}).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(ChainSearchTest, RefusesObjectsOfAnotherSet) {
  MemoryObjects store;
  TestChain chain(&store);
  chain.Append("p", {1});
  const auto tail = FindTail(&store, std::string(kIdentityBytes, 'x'), {});
  EXPECT_THAT(tail.status().message(), HasSubstr("belongs to another set"));
}

TEST(ChainSearchTest, SeesTheEnd) {
  MemoryObjects store;
  TestChain chain(&store);
  chain.Append("p", {1});
  chain.AppendEnd();
  const auto tail = FindTail(&store, chain.about().identity, {});
  ASSERT_TRUE(tail.ok()) << tail.status();
  EXPECT_TRUE(tail->ended);
  EXPECT_EQ(tail->number, 1);
}

}  // namespace
}  // namespace ebb::data::growing
