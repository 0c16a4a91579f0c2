#include "client/key_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>

#include "common/example_hash.h"

namespace ebb::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename T>
std::vector<T> Unpacked(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

// Three partitions; tables of one and three floats per row. Keys with repeats.
class KeyOrderTest : public testing::Test {
 protected:
  KeyOrderTest() {
    plan_.partitions = 3;
    plan_.sparse_tables = {{1}, {3}};
    for (uint64_t i = 0; i < 200; ++i) keys_.push_back(Mix64(i % 120));
  }

  JobPlan plan_;
  std::vector<uint64_t> keys_;
  std::vector<int32_t> places_;
};

TEST_F(KeyOrderTest, EachKeyHasOnePlaceAmongThoseOfItsPartition) {
  const KeyOrder order(plan_, keys_, &places_);
  EXPECT_EQ(order.size(), 120);
  ASSERT_EQ(places_.size(), keys_.size());
  std::map<int32_t, uint64_t> at;
  for (size_t i = 0; i < keys_.size(); ++i) {
    const auto [it, added] = at.emplace(places_[i], keys_[i]);
    EXPECT_EQ(it->second, keys_[i]);
    const auto [first, last] = order.PlacesOf(plan_.PartitionOfKey(keys_[i]));
    EXPECT_LE(first, places_[i]);
    EXPECT_LT(places_[i], last);
  }
  EXPECT_EQ(at.size(), 120);
  for (int32_t p = 0; p < 3; ++p) {
    const auto [first, last] = order.PlacesOf(PartitionId(p));
    EXPECT_LT(first, last);
    for (int64_t i = first + 1; i < last; ++i) EXPECT_LT(at[i - 1], at[i]);
  }
}

TEST_F(KeyOrderTest, AsksEachPartitionForItsKeysOfAllTables) {
  const KeyOrder order(plan_, keys_, &places_);
  std::set<uint64_t> asked;
  const auto pulls = order.Pulls(plan_);
  for (int32_t p = 0; p < 3; ++p) {
    ASSERT_EQ(pulls[p].size(), 2);
    for (int32_t t = 0; t < 2; ++t) {
      EXPECT_EQ(pulls[p][t].table, t);
      for (const uint64_t key : Unpacked<uint64_t>(pulls[p][t].keys)) {
        EXPECT_EQ(plan_.PartitionOfKey(key), PartitionId(p));
        asked.insert(key);
      }
    }
  }
  EXPECT_EQ(asked, std::set<uint64_t>(keys_.begin(), keys_.end()));
}

// A partition answers each row with a number of its key.
TEST_F(KeyOrderTest, RowsComeToTheirPlacesAndGoBackFromThere) {
  const KeyOrder order(plan_, keys_, &places_);
  const auto value = [](uint64_t key, int32_t table, int64_t i) {
    return static_cast<float>(key % 1000) + 1000.0f * table + 0.25f * i;
  };
  PulledValues values;
  for (const auto& of_partition : order.Pulls(plan_)) {
    auto& answers = values.row_values.emplace_back();
    for (const PullRows& rows : of_partition) {
      std::vector<float> floats;
      for (const uint64_t key : Unpacked<uint64_t>(rows.keys)) {
        for (int64_t i = 0; i < plan_.sparse_tables[rows.table].width; ++i) {
          floats.push_back(value(key, rows.table, i));
        }
      }
      answers.push_back(Payload::Of(floats));
    }
  }
  ASSERT_EQ(order.Floats(plan_), 120 * 4);
  std::vector<float> rows(order.Floats(plan_));
  ASSERT_TRUE(order.Assemble(plan_, values, rows).ok());
  for (size_t e = 0; e < keys_.size(); ++e) {
    EXPECT_EQ(rows[places_[e]], value(keys_[e], 0, 0));
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(rows[120 + places_[e] * 3 + i], value(keys_[e], 1, i));
    }
  }
  const auto pushes = order.Pushes(plan_, Payload::Of(rows));
  for (size_t p = 0; p < 3; ++p) {
    ASSERT_EQ(pushes[p].size(), 2);
    for (size_t t = 0; t < 2; ++t) {
      EXPECT_EQ(Unpacked<float>(pushes[p][t].gradient),
                Unpacked<float>(values.row_values[p][t]));
      EXPECT_EQ(Unpacked<uint64_t>(pushes[p][t].keys),
                Unpacked<uint64_t>(order.Pulls(plan_)[p][t].keys));
    }
  }

  values.row_values[1].pop_back();
  EXPECT_THAT(order.Assemble(plan_, values, rows).message(),
              HasSubstr("sparse table 1 of partition 1"));
}

TEST_F(KeyOrderTest, NoKeysAreNoRows) {
  const KeyOrder order(plan_, {}, &places_);
  EXPECT_EQ(order.size(), 0);
  EXPECT_THAT(places_, IsEmpty());
  for (const auto& pulls : order.Pulls(plan_)) EXPECT_THAT(pulls, IsEmpty());
  EXPECT_TRUE(order.Assemble(plan_, {}, {}).ok());
}

}  // namespace
}  // namespace ebb::client
