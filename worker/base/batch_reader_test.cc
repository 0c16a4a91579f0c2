#include "worker/base/batch_reader.h"

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/mutex.h"
#include "common/testing/test_folder.h"
#include "data/dataset.h"
#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

constexpr int64_t kExamples = 600;

class BatchReaderTest : public testing::Test {
 protected:
  BatchReaderTest() {
    plan_.epochs = 4;
    plan_.examples = kExamples;
    plan_.shard_size = 100;
    plan_.batch_by_epoch = {3};
    plan_.seed = 9;
  }

  // Example i has the one feature i.
  data::Dataset Load() {
    const std::string path = folder_ / "a.csv";
    {
      std::ofstream out(path);
      for (int64_t i = 0; i < kExamples; ++i) out << i << ",0\n";
    }
    auto dataset = data::Dataset::Load({.path = path});
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return *std::move(dataset);
  }

  const TestFolder folder_;
  JobPlan plan_;
};

// The batches that were asked for while the thread gathered them, too: under
// ThreadSanitizer it once wrote, meanwhile, which batch it was about.
TEST_F(BatchReaderTest, WhatWasReadAheadIsWhatWasAskedFor) {
  const data::Dataset dataset = Load();
  BatchReader plain(&dataset, plan_, 0);
  for (const size_t ahead : {1, 2, 5}) {
    BatchReader reader(&dataset, plan_, ahead);
    for (int64_t ordinal = 0; ordinal < plan_.items(); ++ordinal) {
      const ItemId item = plan_.ItemAt(ordinal);
      const int64_t size = plan_.ItemSize(item);
      for (int64_t begin = 0; begin < size;
           begin = plan_.BatchEnd(item, begin)) {
        const int64_t end = plan_.BatchEnd(item, begin);
        const auto batch = reader.Read(item, begin, end);
        ASSERT_TRUE(batch.ok()) << batch.status();
        const auto expected = plain.Read(item, begin, end);
        ASSERT_TRUE(expected.ok()) << expected.status();
        EXPECT_EQ((*batch)->item, item);
        EXPECT_EQ((*batch)->begin, begin);
        EXPECT_EQ((*batch)->end, end);
        EXPECT_EQ((*batch)->numbers, (*expected)->numbers);
        EXPECT_EQ((*batch)->examples.values, (*expected)->examples.values);
        EXPECT_EQ((*batch)->ledger, (*expected)->ledger);
        EXPECT_EQ((*batch)->ledger.count, end - begin);
      }
    }
  }
}

// An item that is leased while a batch is computed, which is most of them where
// an item is one batch, was once gathered when its turn came.
TEST_F(BatchReaderTest, ReadsAheadWhatIsSaidLater) {
  const data::Dataset dataset = Load();
  BatchReader reader(&dataset, plan_, 2);
  const ItemId item{0, 1}, next{0, 2};
  ASSERT_TRUE(reader.Read(item, 99, 100).ok());
  const std::vector<client::ExampleRun> runs = {
      {next, 0, 3}, {next, 3, 6}, {next, 6, 9}};
  reader.ReadAhead(runs);
  reader.ReadAhead(runs);
  while (reader.Ready(next, 0, 3) == nullptr ||
         reader.Ready(next, 3, 6) == nullptr) {
  }
  EXPECT_EQ(reader.Ready(next, 6, 9), nullptr);  // No room.
  const auto batch = reader.Read(next, 0, 3);
  ASSERT_TRUE(batch.ok()) << batch.status();
  BatchReader plain(&dataset, plan_, 0);
  plain.ReadAhead(runs);
  const auto expected = plain.Read(next, 0, 3);
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_EQ((*batch)->numbers, (*expected)->numbers);
  EXPECT_EQ((*batch)->examples.values, (*expected)->examples.values);
  EXPECT_EQ((*batch)->ledger, (*expected)->ledger);
}

TEST_F(BatchReaderTest, WhatIsReadAheadCanBeLookedAtBeforeItIsRead) {
  const data::Dataset dataset = Load();
  BatchReader reader(&dataset, plan_, 2);
  const ItemId item{0, 1};
  EXPECT_EQ(reader.Ready(item, 0, 3), nullptr);
  const auto first = reader.Read(item, 0, 3);
  ASSERT_TRUE(first.ok());
  const TrainingBatch* next = nullptr;
  while (next == nullptr) next = reader.Ready(item, 3, 6);
  EXPECT_NE(next->content, (*first)->content);
  const models::ContentId content = next->content;
  const float* const values = next->examples.values.data();
  EXPECT_EQ(reader.Ready({0, 2}, 3, 6), nullptr);
  EXPECT_EQ(reader.Ready(item, 6, 12), nullptr) << "that is no batch";

  const auto second = reader.Read(item, 3, 6);

  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->content, content);
  EXPECT_EQ((*second)->examples.values.data(), values);
  EXPECT_EQ(reader.Ready(item, 3, 6), nullptr) << "it is read";
  // Gathered once more, it is not taken for what was there.
  const auto again = reader.Read(item, 0, 3);
  ASSERT_TRUE(again.ok());
  EXPECT_NE((*again)->content, content);
}

// Bug: items of one batch, as jobs of few examples have them, were never read
// ahead.
TEST_F(BatchReaderTest, WhatComesNextIsReadAheadThoughItIsOfAnotherItem) {
  const data::Dataset dataset = Load();
  BatchReader reader(&dataset, plan_, 1);
  const std::vector<client::ExampleRun> next = {{{0, 2}, 0, 3}, {{0, 2}, 3, 6}};
  ASSERT_TRUE(reader.Read({0, 1}, 0, 3, next).ok());
  const TrainingBatch* ready = nullptr;
  while (ready == nullptr) ready = reader.Ready({0, 2}, 0, 3);
  const float* const values = ready->examples.values.data();
  EXPECT_EQ(reader.Ready({0, 1}, 3, 6), nullptr);
  EXPECT_EQ(reader.Ready({0, 2}, 3, 6), nullptr) << "one is enough";
  const auto read = reader.Read({0, 2}, 0, 3);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)->examples.values.data(), values);
}

TEST_F(BatchReaderTest, ASkipFindsItsBatchAndDropsTheOthers) {
  const data::Dataset dataset = Load();
  BatchReader reader(&dataset, plan_, 3);
  for (const int64_t begin : {0, 60, 3, 96, 99}) {
    const int64_t end = plan_.BatchEnd({0, 2}, begin);
    const auto batch = reader.Read({0, 2}, begin, end);
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ((*batch)->begin, begin);
    EXPECT_EQ((*batch)->examples.rows, end - begin);
  }
}

// The memory that is pinned, as on a device: none of it twice.
class Pins {
 public:
  std::shared_ptr<void> Pin(void* memory, int64_t bytes) {
    const auto first = reinterpret_cast<uintptr_t>(memory);
    MutexLock lock(&mu_);
    for (const auto& [other, size] : ranges_) {
      EXPECT_FALSE(first < other + size && other < first + bytes)
          << "it was freed while it was pinned";
    }
    ranges_[first] = bytes;
    return {memory, [this, first](void* /*memory*/) {
              MutexLock unlock(&mu_);
              ranges_.erase(first);
            }};
  }
  bool Has(const std::vector<float>& values) {
    MutexLock lock(&mu_);
    const auto range = ranges_.find(reinterpret_cast<uintptr_t>(values.data()));
    return range != ranges_.end() &&
           range->second >= static_cast<int64_t>(4 * values.size());
  }
  bool empty() {
    MutexLock lock(&mu_);
    return ranges_.empty();
  }

 private:
  Mutex mu_;
  std::map<uintptr_t, int64_t> ranges_ ABSL_GUARDED_BY(mu_);
};

TEST_F(BatchReaderTest, ExamplesArePinnedForAsLongAsTheyStayWhereTheyAre) {
  const data::Dataset dataset = Load();
  plan_.batch_by_epoch = {1, 3, 20, 60};
  Pins pins;
  {
    BatchReader reader(&dataset, plan_, 2, [&](void* memory, int64_t bytes) {
      return pins.Pin(memory, bytes);
    });
    for (int64_t ordinal = 0; ordinal < plan_.items(); ++ordinal) {
      const ItemId item = plan_.ItemAt(ordinal);
      int64_t end = 0;
      for (int64_t begin = 0; begin < plan_.ItemSize(item); begin = end) {
        end = plan_.BatchEnd(item, begin);
        const auto batch = reader.Read(item, begin, end);
        ASSERT_TRUE(batch.ok()) << batch.status();
        EXPECT_TRUE(pins.Has((*batch)->examples.values));
      }
    }
  }
  EXPECT_TRUE(pins.empty());
}

TEST_F(BatchReaderTest, WhatTheItemHasNotIsRefusedAndTheNextIsRead) {
  const data::Dataset dataset = Load();
  BatchReader reader(&dataset, plan_, 2);
  EXPECT_EQ(reader.Read({0, 0}, 99, 102).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reader.Read({0, 6}, 0, 3).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(reader.Read({0, 0}, 0, 3).ok());
}

}  // namespace
}  // namespace ebb::worker
