#include "workloads/topics/worker/topic_draws.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "common/example_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/contribution_rows.h"

namespace ebb::workloads {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kTopics = 3, kWords = 10;

class TopicDrawsTest : public ::testing::Test {
 protected:
  TopicDrawsTest() {
    plan_.parameters = kWords * kTopics;
    plan_.cut_floats = kTopics;
    plan_.partitions = 4;  // Two or three words each.
    job_.mutable_model()->set_topics(kTopics);
    job_.set_seed(5);
    // The second document is longer than a row.
    batch_.item = {0, 0};
    batch_.numbers = {17, 3};
    batch_.examples.rows = 2;
    batch_.examples.sparse = true;
    batch_.examples.ids = {0, 4, 9, 1, 2};
    batch_.examples.values = {1, 2, 1, 20, 1};
    batch_.examples.offsets = {0, 3, 5};
  }

  // Draws from these rows, by key; writes them back.
  models::BatchStats Draw(std::map<uint64_t, std::vector<float>>* rows) {
    TopicDraws draws(plan_, job_, kWords);
    const auto documents = draws.Read(batch_);
    EXPECT_TRUE(documents.ok()) << documents.status();
    std::vector<int32_t> places;
    std::vector<float> before, counts(plan_.parameters);
    for (const auto& row : documents->rows) {
      places.push_back(static_cast<int32_t>(places.size()));
      std::vector<float>& there = (*rows)[row.key];
      there.resize(kContributionWidth);
      before.insert(before.end(), there.begin(), there.end());
      for (const float word : there) {
        if (word > 0) ++counts[row.base + static_cast<int64_t>(word) - 1];
      }
    }
    std::vector<float> after(before.size(), 77);
    models::BatchStats stats;
    const absl::Status drawn =
        draws.Draw(batch_, *documents, places, counts, before, after, &stats);
    EXPECT_TRUE(drawn.ok()) << drawn;
    for (size_t r = 0; r < documents->rows.size(); ++r) {
      const auto first =
          after.begin() + static_cast<int64_t>(r) * kContributionWidth;
      (*rows)[documents->rows[r].key] = {first, first + kContributionWidth};
    }
    return stats;
  }

  JobPlan plan_;
  v1::Job job_;
  worker::TrainingBatch batch_;
};

TEST_F(TopicDrawsTest, ATopicLiesInThePartitionOfItsWord) {
  const TopicDraws draws(plan_, job_, kWords);
  const auto documents = draws.Read(batch_);
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_EQ(documents->words.size(), 25u);
  EXPECT_THAT(documents->offsets, ElementsAre(0, 4, 25));
  std::set<uint64_t> keys;
  for (const auto& row : documents->rows) {
    EXPECT_TRUE(keys.insert(row.key).second);
    const PartitionId p = plan_.PartitionOfKey(row.key);
    const auto [first, last] = plan_.ParameterRange(p);
    EXPECT_EQ(row.base, first);
    for (int64_t i = 0; i < row.size; ++i) {
      const int64_t at = documents->words[row.first + i] * kTopics;
      EXPECT_GE(at, first);
      EXPECT_LE(at + kTopics, last);
    }
  }
  // Words 0; 4; 9 of the first, and of the second 16 and 4 of word 1, with or
  // without word 2 behind them.
  EXPECT_GE(documents->rows.size(), 5u);
  EXPECT_EQ(documents->rows[3].size, kContributionWidth);
}

TEST_F(TopicDrawsTest, RowsHaveEachWordWithATopic) {
  std::map<uint64_t, std::vector<float>> rows;
  for (int32_t epoch = 0; epoch < 3; ++epoch) {
    batch_.item.epoch = epoch;
    const auto before = rows;
    const models::BatchStats stats = Draw(&rows);
    EXPECT_EQ(stats.examples, 2);
    EXPECT_EQ(stats.words, 25);
    EXPECT_GT(stats.loss_sum, 0);
    // There are as many words as before, under the same keys.
    std::map<int64_t, int> words;
    for (const auto& [key, row] : rows) {
      const int64_t first =
          plan_.ParameterRange(plan_.PartitionOfKey(key)).first;
      for (const float word : row) {
        if (word > 0)
          ++words[(first + static_cast<int64_t>(word) - 1) / kTopics];
      }
    }
    EXPECT_EQ(words, (std::map<int64_t, int>{
                         {0, 1}, {1, 20}, {2, 1}, {4, 2}, {9, 1}}));
    EXPECT_TRUE(epoch == 0 || rows.size() == before.size());
    EXPECT_NE(rows, before);
    // The same again, on any worker.
    auto again = before;
    Draw(&again);
    EXPECT_EQ(again, rows);
  }
}

// Jobs that draw topics have no rounds, so no exported model shows whether the
// bits are as before.
TEST_F(TopicDrawsTest, DrawsTheTopicsOfBefore) {
  std::map<uint64_t, std::vector<float>> rows;
  uint64_t hash = 0;
  for (batch_.item.epoch = 0; batch_.item.epoch < 5; ++batch_.item.epoch) {
    Draw(&rows);
    for (const auto& [key, row] : rows) {
      hash = HashAppend(hash, key);
      for (const float word : row) {
        hash = HashAppend(hash, static_cast<uint64_t>(word));
      }
    }
  }
  EXPECT_EQ(hash, 17992244297300573899u);
}

TEST_F(TopicDrawsTest, RowsOfOtherDocumentsAreRefused) {
  TopicDraws draws(plan_, job_, kWords);
  const auto documents = draws.Read(batch_);
  ASSERT_TRUE(documents.ok()) << documents.status();
  std::vector<int32_t> places(documents->rows.size());
  for (size_t i = 0; i < places.size(); ++i)
    places[i] = static_cast<int32_t>(i);
  std::vector<float> rows(places.size() * kContributionWidth);
  rows[0] = 1 + 1 * kTopics;  // Word 1, where word 0 is.
  std::vector<float> after(rows.size());
  models::BatchStats stats;
  const absl::Status drawn =
      draws.Draw(batch_, *documents, places,
                 std::vector<float>(plan_.parameters), rows, after, &stats);
  EXPECT_EQ(drawn.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(drawn.message()),
              HasSubstr("the topic of word 1 where its document has word 0"));
}

TEST_F(TopicDrawsTest, AWordOccursAWholeNumberOfTimes) {
  const TopicDraws draws(plan_, job_, kWords);
  for (const float count : {1.5f, -1.0f, 1e9f}) {
    batch_.examples.values[1] = count;
    const auto documents = draws.Read(batch_);
    EXPECT_EQ(documents.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(documents.status().message()),
                HasSubstr("document 17 of the data: word 4 occurs"));
  }
}

}  // namespace
}  // namespace ebb::workloads
