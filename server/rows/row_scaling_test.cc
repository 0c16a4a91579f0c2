// Steps of rows whose rates go by how late a gradient is for the row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "common/payload.h"
#include "ebb/v1/job.pb.h"
#include "server/rows/row_table.h"
#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;

using Keys = std::vector<uint64_t>;

double Inverse(int64_t staleness) {
  return 1 / (static_cast<double>(staleness) + 1);
}

// Rows of one float, with plain steps of rate 1.
class RowScalingTest : public testing::Test {
 protected:
  static RowTableOptions Options() {
    return {.table = "t", .width = 1, .rate_factor = Inverse};
  }
  void Make(const RowTableOptions& options) {
    auto table = RowTable::Create(options, optimizer_, pool_);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }
  void Push(const Keys& keys, int64_t staleness, int64_t now = 0) {
    const absl::Status status =
        PushRows(table_.get(), keys, std::vector<float>(keys.size(), -1.0f),
                 now, {.rate = 1, .staleness = staleness});
    ASSERT_TRUE(status.ok()) << status;
  }
  // Returns by how much a push changes the rows.
  std::vector<float> StepsOf(const Keys& keys, int64_t staleness,
                             int64_t now = 0) {
    std::vector<float> steps = GatherRows(*table_, keys);
    Push(keys, staleness, now);
    const std::vector<float> after = GatherRows(*table_, keys);
    for (size_t i = 0; i < steps.size(); ++i) steps[i] = after[i] - steps[i];
    return steps;
  }

  std::shared_ptr<BlockPool> pool_ = MakeRowPool(256, 10'000);
  std::shared_ptr<const Optimizer> optimizer_ =
      MakeRowOptimizer(v1::Optimizer::KIND_SGD);
  std::unique_ptr<RowTable> table_;
};

TEST_F(RowScalingTest, ARareRowHasItsPlainStep) {
  Make(Options());
  Push({1, 2}, 0);
  for (int i = 0; i < 3; ++i) Push({1}, 0);
  // All of the last three updates changed row 1, none row 2; row 3 is new.
  EXPECT_THAT(StepsOf({1, 2, 3}, 3), ElementsAre(0.25f, 1, 1));
}

TEST_F(RowScalingTest, CountsTheStepsAndTheirFactors) {
  Make(Options());
  Push({1, 2}, 0);
  Push({1}, 0);
  EXPECT_EQ(table_->scaling().rows, 3);
  EXPECT_EQ(table_->scaling().rate_factors, 3);
  Push({1, 2}, 1);
  EXPECT_EQ(table_->scaling().rows, 5);
  EXPECT_EQ(table_->scaling().rate_factors, 3 + 0.5 + 1);
}

TEST_F(RowScalingTest, ComputesTheSameWhereRowsLie) {
  Make(Options());
  for (int i = 0; i < 4; ++i) Push({1, 2}, 0);
  auto update = table_->Prepare(Keys{1, 2}, 0);
  ASSERT_TRUE(update.ok()) << update.status();
  const Payload gradient = Payload::Of(std::vector<float>{-1, -1});
  GradientCursor cursor(gradient);
  table_->Apply(*std::move(update), cursor, {.rate = 1, .staleness = 3});
  EXPECT_THAT(GatherRows(*table_, Keys{1, 2}), ElementsAre(4.25f, 4.25f));
  EXPECT_EQ(table_->scaling().rate_factors, 8.5);
}

TEST_F(RowScalingTest, AnUpdateThatIsLetGoChangedNothing) {
  Make(Options());
  Push({1}, 0);
  Push({2}, 0);
  {
    auto update = table_->Prepare(Keys{1}, 0);
    ASSERT_TRUE(update.ok()) << update.status();
    table_->Compute(update->get(), std::vector<float>{1}, {.rate = 1});
  }
  EXPECT_THAT(StepsOf({1}, 1), ElementsAre(1));
}

TEST_F(RowScalingTest, ARowThatIsMadeAgainStartsFresh) {
  RowTableOptions options = Options();
  options.expire_after_examples = 10;
  Make(options);
  for (int i = 0; i < 100; ++i) Push({1}, 0);
  Push({1}, 50, 100);
  EXPECT_EQ(table_->Statistics().expired, 1);
  EXPECT_THAT(GatherRows(*table_, Keys{1}), ElementsAre(1));
}

// What is not stored is unknown: rows count as changed by each update.
TEST_F(RowScalingTest, LoadedRowsHaveTheStalenessOfThePartition) {
  Make(Options());
  Push({1}, 0);
  Push({2}, 0);
  RowDisk disk;
  auto cut = table_->TakeCut();
  ASSERT_TRUE(cut.ok()) << cut.status();
  ASSERT_TRUE(disk.Store(&*cut).ok());
  auto loaded = RowTable::FromCut(Options(), optimizer_, pool_,
                                  disk.Load(pool_.get()), true);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  table_ = *std::move(loaded);
  EXPECT_EQ(table_->scaling().rows, 0);
  // Pulled before it was stored, and since.
  EXPECT_THAT(StepsOf({1}, 1), ElementsAre(0.5f));
  EXPECT_THAT(StepsOf({2}, 1), ElementsAre(1));
}

// Numbers that were given stay, and so do their frequencies.
TEST_F(RowScalingTest, PromisesRoomForAllNumbersThatWereGiven) {
  constexpr int64_t kRows = 3000;
  Keys keys(kRows);
  std::iota(keys.begin(), keys.end(), 1);
  const auto promised = [&](RowTableOptions options) {
    table_.reset();
    options.expire_after_examples = 10;
    Make(options);
    Push(keys, 0);
    for (int i = 0; i < kRows && table_->Statistics().expired < kRows; ++i) {
      Push({9999}, 0, 100);
    }
    EXPECT_EQ(table_->Statistics().expired, kRows);
    Push({9999}, 0, 100);
    return pool_->Stats().promised_blocks;
  };
  const int64_t plain = promised({.table = "t", .width = 1});
  // 4 bytes each, in blocks of 256.
  EXPECT_NEAR(static_cast<double>(promised(Options()) - plain),
              4.0 * kRows / 256, 1);
}

TEST_F(RowScalingTest, FewerRowsFitBesideTheirFrequencies) {
  const auto rows_of = [&](const RowTableOptions& options) {
    table_.reset();
    pool_ = MakeRowPool(256, 60);
    Make(options);
    absl::Status status;
    for (uint64_t key = 1; status.ok(); ++key) {
      status = PushRows(table_.get(), Keys{key}, std::vector<float>{-1}, 0,
                        {.rate = 1});
    }
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    return table_->Statistics().rows;
  };
  const int64_t plain = rows_of({.table = "t", .width = 1});
  const int64_t kept = rows_of(Options());
  EXPECT_LT(kept, plain);
  EXPECT_GT(kept, plain / 2);
  // A refused push changed nothing: row 1 was last changed long ago.
  EXPECT_EQ(table_->scaling().rows, kept);
  EXPECT_THAT(StepsOf({1}, 1), ElementsAre(1));
}

TEST_F(RowScalingTest, KeepsNothingWhereStepsDoNotGoByIt) {
  Make({.table = "t", .width = 1});
  Push({1}, 0);
  const int64_t plain = table_->Statistics().other_bytes;
  EXPECT_THAT(StepsOf({1}, 3), ElementsAre(1));
  EXPECT_EQ(table_->scaling().rate_factors, 2);
  Make(Options());
  Push({1}, 0);
  EXPECT_EQ(table_->Statistics().other_bytes, plain + 4 * 4096);
}

}  // namespace
}  // namespace ebb::server
