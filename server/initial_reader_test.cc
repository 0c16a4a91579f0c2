#include "server/initial_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "protocol/initial_rows.h"
#include "server/memory/block_pool.h"
#include "server/testing/adding_rule.h"

namespace ebb::server {
namespace {

using datasets::kChunkBytes;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kParameters = 3 * kChunkBytes / 4 + 6;

float ValueAt(int64_t place) { return static_cast<float>(place % 1013); }

// Has one set, of one file with the values of all places.
class OneSet : public datasets::Source {
 public:
  // With `rows` behind them.
  explicit OneSet(const std::string& rows = "") {
    std::string bytes;
    for (int64_t i = 0; i < kParameters; ++i) {
      const float value = ValueAt(i);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    bytes += rows;
    datasets::DataFile file = {
        "values", static_cast<int64_t>(bytes.size()), {}};
    for (size_t at = 0; at < bytes.size(); at += kChunkBytes) {
      chunks.push_back(bytes.substr(at, kChunkBytes));
      file.chunks.push_back(datasets::ChecksumOf(chunks.back()));
    }
    manifest = *datasets::Manifest::Make({std::move(file)});
  }
  absl::StatusOr<std::string> GetManifest(absl::string_view) override {
    if (!failure.ok()) return failure;
    return manifest.bytes();
  }
  absl::StatusOr<std::string> GetChunk(absl::string_view, absl::string_view,
                                       int64_t chunk) override {
    ++fetched;
    if (!failure.ok()) return failure;
    if (chunk == lost && times-- > 0) return absl::UnavailableError("busy");
    return chunks[chunk];
  }

  datasets::Manifest manifest;
  std::vector<std::string> chunks;
  absl::Status failure;
  // This chunk does not come so many times.
  int64_t lost = -1;
  int times = 0;
  int fetched = 0;
};

class InitialReaderTest : public ::testing::Test {
 protected:
  InitialReaderTest() {
    plan_.parameters = kParameters;
    plan_.partitions = 8;
    pool_ = *BlockPool::Create(
        {.block_bytes = plan_.block_floats * int64_t{sizeof(float)},
         .max_bytes = int64_t{64} << 20,
         .shared = false});
  }

  DenseShape ShapeOf(int partition) const {
    return DenseShape(plan_, PartitionId(partition), pool_);
  }
  // With the content of this id.
  absl::StatusOr<InitialPartition> Read(int partition, const std::string& id) {
    Mutex mu;
    CondVar came;
    std::optional<absl::StatusOr<InitialPartition>> read;
    InitialReader reader(
        with_source_ ? &source_ : nullptr,
        [&](const auto&, absl::StatusOr<InitialPartition> values) {
          MutexLock lock(&mu);
          read = std::move(values);
          came.SignalAll();
        },
        /*first_pause=*/absl::Milliseconds(1));
    FetchInitialValues task;
    task.partition = PartitionId(partition);
    task.file = {"set", id, source_.manifest.total_bytes(), slots_,
                 static_cast<int64_t>(rows_.size())};
    task.record = record_;
    task.rule = rule_;
    task.pool = pool_;
    task.shape = std::make_shared<const DenseShape>(ShapeOf(partition));
    reader.Add(std::move(task));
    MutexLock lock(&mu);
    while (!read) came.Wait(&mu);
    return *std::move(read);
  }
  absl::StatusOr<InitialPartition> Read(int partition) {
    return Read(partition, source_.manifest.id());
  }

  OneSet source_;
  int32_t slots_ = 0;
  std::string rows_;
  std::shared_ptr<JobRecord> record_;
  std::shared_ptr<const UpdateRule> rule_;
  JobPlan plan_;
  std::shared_ptr<BlockPool> pool_;
  bool with_source_ = true;
};

TEST_F(InitialReaderTest, APartitionGetsItsPartAndFetchesNoOther) {
  for (const int partition : {0, 4, 7}) {
    source_.fetched = 0;
    const auto values = Read(partition);
    const DenseShape shape = ShapeOf(partition);
    ASSERT_TRUE(values.ok()) << values.status();
    for (int64_t b = 0; b < shape.blocks(); ++b) {
      int64_t place = shape.First(b);
      for (const float value : shape.Floats(values->dense.weights, b)) {
        ASSERT_EQ(value, ValueAt(place)) << place;
        ++place;
      }
    }
    EXPECT_THAT(values->dense.slots, IsEmpty());
    EXPECT_LE(source_.fetched, 2);
  }
}

// The file then has an array of weights and two of slots, one after the other.
TEST_F(InitialReaderTest, APartitionGetsItsPartOfEachSlot) {
  slots_ = 2;
  static_assert(kParameters % 3 == 0);
  plan_.parameters = kParameters / 3;
  for (const int partition : {0, 3, 7}) {
    source_.fetched = 0;
    const auto values = Read(partition);
    const DenseShape shape = ShapeOf(partition);
    ASSERT_TRUE(values.ok()) << values.status();
    ASSERT_THAT(values->dense.slots, SizeIs(2));
    for (int64_t array = 0; array < 3; ++array) {
      const Blocks& blocks =
          array == 0 ? values->dense.weights : values->dense.slots[array - 1];
      for (int64_t b = 0; b < shape.blocks(); ++b) {
        int64_t place = array * plan_.parameters + shape.First(b);
        for (const float value : shape.Floats(blocks, b)) {
          ASSERT_EQ(value, ValueAt(place)) << array << " " << place;
          ++place;
        }
      }
    }
    EXPECT_LE(source_.fetched, 4);
  }
}

// Two sparse tables, the second without rows, behind the arrays.
class InitialRowsTest : public InitialReaderTest {
 protected:
  InitialRowsTest() {
    record_ = std::make_shared<JobRecord>();
    JobPlan& plan = record_->plan;
    plan.parameters = kParameters;
    plan.partitions = 3;
    plan.sparse_tables = {{.width = 2}, {.width = 1}};
    plan_ = plan;
    rule_ = std::make_shared<AddingRule>(plan.sparse_tables);
    std::vector<std::vector<uint64_t>> keys(3);
    for (uint64_t key = 0; key < kRows; ++key) {
      keys[plan.PartitionOfKey(key).value()].push_back(key);
    }
    std::vector<int64_t> counts;
    for (const auto& of_partition : keys) {
      counts.push_back(static_cast<int64_t>(of_partition.size()));
      counts.push_back(0);
    }
    const InitialRowsDirectory directory(plan, {0, 0}, counts);
    const auto put = [&](const auto& value) {
      rows_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    for (const int64_t word : directory.Encode()) put(word);
    for (const auto& of_partition : keys) {
      for (const uint64_t key : of_partition) {
        put(key);
        put(static_cast<float>(key));
        put(-static_cast<float>(key));
      }
    }
    source_ = OneSet(rows_);
  }
  absl::StatusOr<InitialPartition> Rows(int partition) {
    return Read(partition, source_.manifest.id());
  }

  static constexpr uint64_t kRows = 100'000;
};

TEST_F(InitialRowsTest, APartitionGetsItsRows) {
  int64_t all = 0;
  for (const int partition : {2, 0, 1}) {
    const auto values = Rows(partition);
    ASSERT_TRUE(values.ok()) << values.status();
    ASSERT_THAT(values->rows, SizeIs(2));
    const RowTable& table = *values->rows[0];
    all += table.Statistics().rows;
    EXPECT_EQ(values->rows[1]->Statistics().rows, 0);
    for (uint64_t key = 0; key < kRows; ++key) {
      if (plan_.PartitionOfKey(key).value() != partition) continue;
      std::vector<float> row(2);
      table.Gather(std::vector<uint64_t>{key}, row);
      ASSERT_EQ(row[0], static_cast<float>(key));
      ASSERT_EQ(row[1], -static_cast<float>(key));
    }
    EXPECT_EQ(values->dense.weights.size(),
              static_cast<size_t>(ShapeOf(partition).blocks()));
  }
  EXPECT_EQ(all, static_cast<int64_t>(kRows));
}

TEST_F(InitialRowsTest, BelievesNoRowsThatAreNotThePartitions) {
  // One row of partition 0 more, and one of partition 1 less.
  const auto count = [&](int64_t word, int64_t by) {
    int64_t value = 0;
    std::memcpy(&value, rows_.data() + 8 * word, 8);
    value += by;
    std::memcpy(rows_.data() + 8 * word, &value, 8);
  };
  count(2, 1);
  count(4, -1);
  source_ = OneSet(rows_);
  EXPECT_THAT(Rows(0).status().message(),
              HasSubstr("among those of partition 0"));
  count(4, -1);
  source_ = OneSet(rows_);
  EXPECT_TRUE(absl::IsDataLoss(Rows(0).status()));
  EXPECT_THAT(Rows(0).status().message(), HasSubstr("belong to no row"));
}

// Bug: the partition was read from its beginning.
TEST_F(InitialReaderTest, AChunkThatDoesNotComeIsAloneAskedForAgain) {
  source_.lost = 1;
  source_.times = 3;
  const auto values = Read(2);  // In the chunks 0 and 1.
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(source_.fetched, 1 + 4);
}

TEST_F(InitialReaderTest, AChunkIsAskedForSoManyTimes) {
  source_.lost = 0;
  source_.times = 100;
  EXPECT_TRUE(absl::IsUnavailable(Read(0).status()));
  EXPECT_EQ(source_.fetched, InitialReader::kTries);
}

TEST_F(InitialReaderTest, SaysWhyItHasNone) {
  source_.failure = absl::UnavailableError("away");
  const auto values = Read(3);
  EXPECT_TRUE(absl::IsUnavailable(values.status()));
  EXPECT_THAT(values.status().message(),
              HasSubstr("it waits for initial values: away"));
}

TEST_F(InitialReaderTest, BelievesNoChunkThatItsChecksumDoesNotName) {
  source_.chunks[0][5] ^= 1;
  const auto values = Read(0);
  EXPECT_TRUE(absl::IsDataLoss(values.status())) << values.status();
}

TEST_F(InitialReaderTest, BelievesNoOtherContentUnderTheName) {
  EXPECT_TRUE(absl::IsDataLoss(Read(0, std::string(32, '0')).status()));
}

TEST_F(InitialReaderTest, WithoutASourceThereIsNone) {
  with_source_ = false;
  EXPECT_TRUE(absl::IsFailedPrecondition(Read(0).status()));
}

}  // namespace
}  // namespace ebb::server
