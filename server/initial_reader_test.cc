#include "server/initial_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "server/memory/block_pool.h"

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
  OneSet() {
    std::string bytes;
    for (int64_t i = 0; i < kParameters; ++i) {
      const float value = ValueAt(i);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
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
  absl::StatusOr<InitialDense> Read(int partition, const std::string& id) {
    Mutex mu;
    CondVar came;
    std::optional<absl::StatusOr<InitialDense>> read;
    InitialReader reader(
        with_source_ ? &source_ : nullptr,
        [&](const auto&, absl::StatusOr<InitialDense> values) {
          MutexLock lock(&mu);
          read = std::move(values);
          came.SignalAll();
        },
        /*first_pause=*/absl::Milliseconds(1));
    FetchInitialValues task;
    task.partition = PartitionId(partition);
    task.file = {"set", id, source_.manifest.total_bytes(), slots_};
    task.shape = std::make_shared<const DenseShape>(ShapeOf(partition));
    reader.Add(std::move(task));
    MutexLock lock(&mu);
    while (!read) came.Wait(&mu);
    return *std::move(read);
  }
  absl::StatusOr<InitialDense> Read(int partition) {
    return Read(partition, source_.manifest.id());
  }

  OneSet source_;
  int32_t slots_ = 0;
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
      for (const float value : shape.Floats(values->weights, b)) {
        ASSERT_EQ(value, ValueAt(place)) << place;
        ++place;
      }
    }
    EXPECT_THAT(values->slots, IsEmpty());
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
    ASSERT_THAT(values->slots, SizeIs(2));
    for (int64_t array = 0; array < 3; ++array) {
      const Blocks& blocks =
          array == 0 ? values->weights : values->slots[array - 1];
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
