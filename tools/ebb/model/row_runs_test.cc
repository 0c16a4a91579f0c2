#include "tools/ebb/model/row_runs.h"

#include <algorithm>
#include <random>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Keys = std::vector<uint64_t>;
using Floats = std::vector<float>;

class RowRunsTest : public ::testing::Test {
 protected:
  RowRuns Make(std::vector<int64_t> widths) {
    auto runs = RowRuns::Create(folder_.path(), std::move(widths));
    EXPECT_TRUE(runs.ok()) << runs.status();
    return *std::move(runs);
  }
  static absl::Status Merge(const RowRuns& runs, Keys* keys, Floats* floats) {
    return runs.Merge([&](uint64_t key, std::span<const float> row) {
      keys->push_back(key);
      floats->insert(floats->end(), row.begin(), row.end());
      return absl::OkStatus();
    });
  }

  const TestFolder folder_;
};

TEST_F(RowRunsTest, RowsComeInTheOrderOfTheirKeys) {
  RowRuns runs = Make({1, 2});
  const Floats a = {1, 0}, b = {10, 11, 30, 31}, c = {2}, d = {20, 21};
  ASSERT_TRUE(runs.Add(Keys{1, ~uint64_t{0}}, {a, b}).ok());
  ASSERT_TRUE(runs.Add(Keys{}, {Floats{}, Floats{}}).ok());
  ASSERT_TRUE(runs.Add(Keys{7}, {c, d}).ok());
  for (int again = 0; again < 2; ++again) {
    Keys keys;
    Floats floats;
    ASSERT_TRUE(Merge(runs, &keys, &floats).ok());
    EXPECT_THAT(keys, ElementsAre(1, 7, ~uint64_t{0}));
    EXPECT_THAT(floats, ElementsAre(1, 10, 11, 2, 20, 21, 0, 30, 31));
  }
  EXPECT_EQ(runs.rows(), 3);
  EXPECT_EQ(runs.zero_floats(), 1);
  EXPECT_EQ(runs.zero_rows(), 1);
}

TEST_F(RowRunsTest, ManyRunsOfManyRows) {
  RowRuns runs = Make({1});
  std::mt19937_64 random(5);
  Keys expected;
  for (int run = 0; run < 64; ++run) {
    Keys keys(1000);
    for (uint64_t& key : keys) key = random() << 6 | run;
    std::ranges::sort(keys);
    Floats values;
    for (const uint64_t key : keys) {
      values.push_back(static_cast<float>(key % 1001));
    }
    ASSERT_TRUE(runs.Add(keys, {values}).ok());
    expected.insert(expected.end(), keys.begin(), keys.end());
  }
  std::ranges::sort(expected);
  Keys keys;
  Floats floats;
  ASSERT_TRUE(Merge(runs, &keys, &floats).ok());
  EXPECT_EQ(keys, expected);
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(floats[i], static_cast<float>(keys[i] % 1001));
  }
}

TEST_F(RowRunsTest, NoRows) {
  Keys keys;
  Floats floats;
  EXPECT_TRUE(Merge(Make({3}), &keys, &floats).ok());
  EXPECT_TRUE(keys.empty());
}

TEST_F(RowRunsTest, WhatCannotBeIsSaid) {
  RowRuns runs = Make({1});
  const Floats two = {1, 2}, one = {3};
  EXPECT_THAT(std::string(runs.Add(Keys{4, 3}, {two}).message()),
              HasSubstr("key 3 comes after 4"));
  RowRuns twice = Make({1});
  ASSERT_TRUE(twice.Add(Keys{3, 4}, {two}).ok());
  ASSERT_TRUE(twice.Add(Keys{4}, {one}).ok());
  Keys keys;
  Floats floats;
  EXPECT_THAT(std::string(Merge(twice, &keys, &floats).message()),
              HasSubstr("key 4 has rows in several partitions"));
  EXPECT_THAT(
      std::string(RowRuns::Create(folder_ / "none", {1}).status().message()),
      HasSubstr("none"));
}

}  // namespace
}  // namespace ebb::tools
