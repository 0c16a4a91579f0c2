#include "server/rows/row_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

using Keys = std::vector<uint64_t>;

// Rows of two floats and a velocity in blocks of 256 bytes.
class RowListTest : public testing::Test {
 protected:
  void Make(int64_t expire_after = 0) {
    RowTableOptions options;
    options.table = "t";
    options.width = 2;
    options.expire_after_examples = expire_after;
    auto table = RowTable::Create(
        options, MakeRowOptimizer(v1::Optimizer::KIND_MOMENTUM), pool_);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }
  void Push(const Keys& keys, float gradient, int64_t now) {
    const absl::Status status = PushRows(table_.get(), keys, gradient, now);
    ASSERT_TRUE(status.ok()) << status;
  }
  RowList List() {
    auto list = RowList::Of(table_.get());
    EXPECT_TRUE(list.ok()) << list.status();
    return *std::move(list);
  }
  static Keys KeysOf(const RowList& list) {
    Keys keys;
    for (size_t i = 0; i < list.size(); ++i) keys.push_back(list.key(i));
    return keys;
  }

  std::shared_ptr<BlockPool> pool_ = MakeRowPool(256, 1000);
  std::unique_ptr<RowTable> table_;
};

TEST_F(RowListTest, HasRowsByKeyWithTheirSlots) {
  Make();
  EXPECT_EQ(List().size(), 0u);
  Push({4, 1000}, 1, 1);
  Push({2, 4}, 2, 2);
  const RowList list = List();
  EXPECT_THAT(KeysOf(list), ElementsAre(2, 4, 1000));
  // Velocities at a rate of 0.1: -0.9 * 0.1 - 0.2 where both pushes were.
  const auto near = [](float value) {
    return Pointwise(FloatNear(1e-6f), std::vector<float>(2, value));
  };
  EXPECT_THAT(list.slot(0, 0), near(-0.2f));
  EXPECT_THAT(list.slot(0, 1), near(-0.29f));
  EXPECT_THAT(list.slot(0, 2), near(-0.1f));
  const std::vector<float> weights = GatherRows(*table_, Keys{4});
  EXPECT_THAT(list.weights(1), ElementsAre(weights[0], weights[1]));
  // It stays what it was.
  Push({4}, 5, 3);
  EXPECT_THAT(list.weights(1), ElementsAre(weights[0], weights[1]));
}

TEST_F(RowListTest, RowsThatHaveExpiredAreLeftOut) {
  Make(512);
  Push({1}, 1, 1);
  Push({2}, 1, 500);
  Push({3}, 1, 1000);
  EXPECT_THAT(KeysOf(List()), ElementsAre(2, 3));
}

// Blocks come without rows in between: those of the first pushes go first.
TEST_F(RowListTest, BlocksWithoutRowsAreNoTrouble) {
  Make(512);
  Keys first(100), second(60);
  std::iota(first.begin(), first.end(), 0);
  std::iota(second.begin(), second.end(), 1000);
  Push(first, 1, 1);
  Push(second, 1, 300);
  for (int i = 0; i < 20; ++i) Push({1005, 1059}, 1, 700);  // Sweeps.
  EXPECT_EQ(table_->Statistics().expired, 100);
  const RowList list = List();
  EXPECT_EQ(KeysOf(list), second);
  for (size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list.weights(i)[0], GatherRows(*table_, Keys{second[i]})[0]);
  }
}

}  // namespace
}  // namespace ebb::server
