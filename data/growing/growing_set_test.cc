#include "data/growing/growing_set.h"

#include <thread>
#include <vector>

#include "common/objects/memory_objects.h"
#include "data/growing/codec.h"
#include "data/growing/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::growing {
namespace {

using ::testing::HasSubstr;

std::vector<float> ValuesOf(const std::vector<WindowPart>& parts) {
  std::vector<float> values;
  for (const WindowPart& part : parts) {
    for (int64_t row = part.begin; row < part.end; ++row) {
      values.push_back(part.window->values[row]);
    }
  }
  return values;
}

// Appends objects of 1, 2, 3, … examples, whose values are their numbers, and
// some without.
void AppendNumbers(TestChain* chain, int objects) {
  for (int i = 1; i <= objects; ++i) {
    std::vector<float> values;
    for (int j = 0; j < i; ++j) {
      values.push_back(static_cast<float>(chain->tail().number + j));
    }
    chain->Append("p", values);
    if (i % 3 == 0) chain->AppendHoles("q", 2);
  }
}

TEST(GrowingSetTest, ReadsAnyRangeOfNumbers) {
  MemoryObjects store;
  TestChain chain(&store);
  AppendNumbers(&chain, 12);
  const auto set = GrowingSet::Open(&store);
  ASSERT_TRUE(set.ok()) << set.status();
  const int64_t all = chain.tail().number;
  ASSERT_EQ(all, 78);
  for (int64_t begin = 0; begin < all; ++begin) {
    for (int64_t end = begin + 1; end <= all; end += 5) {
      const auto parts = (*set)->Read(begin, end);
      ASSERT_TRUE(parts.ok()) << parts.status();
      const std::vector<float> values = ValuesOf(*parts);
      ASSERT_EQ(std::ssize(values), end - begin);
      for (size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(values[i], static_cast<float>(begin) + static_cast<float>(i));
      }
    }
  }
}

TEST(GrowingSetTest, FollowsTheTail) {
  MemoryObjects store;
  TestChain chain(&store);
  const auto set = GrowingSet::Open(&store);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ((*set)->Tail()->number, 0);
  for (int i = 0; i < 40; ++i) {
    for (int j = 0; j < i % 7; ++j) chain.Append("p", {1, 2});
    const auto tail = (*set)->Tail();
    ASSERT_TRUE(tail.ok()) << tail.status();
    EXPECT_EQ(tail->number, chain.tail().number);
    EXPECT_FALSE(tail->ended);
  }
  chain.AppendEnd();
  EXPECT_TRUE((*set)->Tail()->ended);
  EXPECT_EQ((*set)->Read(0, chain.tail().number + 1).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(GrowingSetTest, ReadsWindowsOnceInOrder) {
  MemoryObjects store;
  TestChain chain(&store);
  AppendNumbers(&chain, 12);
  const auto set = GrowingSet::Open(&store);
  ASSERT_TRUE((*set)->Tail().ok());
  int gets = 0;
  store.BeforeCalls([&](const ObjectCall&) {
    ++gets;
    return absl::OkStatus();
  });
  for (int64_t n = 0; n < chain.tail().number; ++n) {
    ASSERT_TRUE((*set)->Read(n, n + 1).ok());
  }
  // Each is looked at, and then read.
  EXPECT_LE(gets, 2 * chain.tail().place);
}

TEST(GrowingSetTest, SaysWhatWasDeleted) {
  MemoryObjects store;
  TestChain chain(&store);
  AppendNumbers(&chain, 12);
  const auto set = GrowingSet::Open(&store);
  ASSERT_TRUE((*set)->Tail().ok());
  chain.PutFloor(6);
  const auto gone = (*set)->Read(0, 1);
  EXPECT_EQ(gone.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(gone.status().message(), HasSubstr("were deleted"));
  EXPECT_TRUE((*set)->Read(30, 31).ok());
  EXPECT_EQ((*set)->Read(1, 2).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(GrowingSetTest, FindsDamage) {
  MemoryObjects store;
  TestChain chain(&store);
  AppendNumbers(&chain, 5);
  const auto set = GrowingSet::Open(&store);
  ASSERT_TRUE((*set)->Read(0, 1).ok());
  store.Damage(ObjectKey(1), 100);
  EXPECT_EQ((*set)->Read(1, 2).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(store.Delete(ObjectKey(1)).ok());
  EXPECT_EQ((*set)->Read(1, 2).status().code(), absl::StatusCode::kDataLoss);
  // A sound object that follows another one.
  ObjectHeader other;
  other.identity = chain.about().identity;
  other.place = 1;
  other.first = 1;
  other.count = 2;
  other.ranges = {{"p", 1, 3, 2}};
  other.ends = {{"p", {3, {}}}};
  other.before = ObjectHash{1, 2};
  pack::Window window;
  window.examples = 2;
  window.values = {7, 7};
  const auto bytes = EncodeObject(chain.about().schema, window, &other);
  ASSERT_TRUE(CreateObject(&store, ObjectKey(1), *bytes).ok());
  const auto replaced = (*set)->Read(1, 2);
  EXPECT_EQ(replaced.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(replaced.status().message(), HasSubstr("does not follow"));
}

TEST(GrowingSetTest, NamesAPlaceWithoutASet) {
  MemoryObjects store;
  EXPECT_EQ(GrowingSet::Open(&store).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(GrowingSetTest, ServesManyThreads) {
  MemoryObjects store;
  TestChain chain(&store);
  AppendNumbers(&chain, 12);
  const auto set = GrowingSet::Open(&store);
  ASSERT_TRUE(set.ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t n = t; n < 78; n += 3) {
        const auto parts = (*set)->Read(n, n + 1);
        EXPECT_TRUE(parts.ok()) << parts.status();
        if (parts.ok()) {
          EXPECT_EQ(ValuesOf(*parts)[0], static_cast<float>(n));
        }
        EXPECT_TRUE((*set)->Tail().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ebb::data::growing
