#include "client/leased_items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ItemId kFirst{0, 0}, kSecond{0, 1}, kThird{0, 2};

// Items of 4 examples, two partitions.
class LeasedItemsTest : public testing::Test {
 protected:
  LeasedItemsTest() {
    plan_.examples = 12;
    plan_.shard_size = 4;
    plan_.partitions = 2;
  }

  void Take(ItemId item, std::vector<SkippedRange> skipped = {}) {
    Lease lease;
    lease.item = item;
    lease.ttl = absl::Seconds(5);
    lease.skipped = std::move(skipped);
    items_.Take(plan_, std::move(lease), now_);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1000);
  JobPlan plan_;
  LeasedItems items_;
};

TEST_F(LeasedItemsTest, AreInTheOrderOfTheItemsNotOfTheLeases) {
  Take(kThird);
  Take(kFirst);
  Take(kSecond);
  EXPECT_THAT(items_.Ids(), ElementsAre(kFirst, kSecond, kThird));
}

TEST_F(LeasedItemsTest, ASecondLeaseOfAnItemKeepsItsProgress) {
  Take(kFirst);
  items_.Find(kFirst)->progress.Acknowledged(PartitionId(0), 3);
  Take(kFirst, {{kFirst, 2, 3}});
  EXPECT_THAT(items_.Ids(), ElementsAre(kFirst));
  EXPECT_EQ(items_.Find(kFirst)->progress.mark(PartitionId(0)), 3);
  EXPECT_FALSE(items_.Find(kFirst)->Skips(1));
  EXPECT_TRUE(items_.Find(kFirst)->Skips(2));
  EXPECT_FALSE(items_.Find(kFirst)->Skips(3));
}

TEST_F(LeasedItemsTest, AheadAreTheBatchesAfterTheOneThatIsComputed) {
  const auto ahead = [&](const LeasedItems::Run* computed, size_t most) {
    std::vector<std::string> places;
    for (const auto& run : items_.Ahead(plan_, computed, most)) {
      places.push_back(
          absl::StrCat(ToString(run.item), ":", run.begin, "-", run.end));
    }
    return places;
  };
  plan_.batch_by_epoch = {2};
  EXPECT_THAT(ahead(nullptr, 9), IsEmpty());
  Take(kFirst);
  Take(kSecond, {{kSecond, 0, 2}});
  const std::string first = ToString(kFirst), second = ToString(kSecond);
  EXPECT_THAT(ahead(nullptr, 9),
              ElementsAre(first + ":0-2", first + ":2-4", second + ":2-4"));
  EXPECT_THAT(ahead(nullptr, 2), ElementsAre(first + ":0-2", first + ":2-4"));
  const LeasedItems::Run computed{kFirst, 0, 2};
  EXPECT_THAT(ahead(&computed, 9),
              ElementsAre(first + ":2-4", second + ":2-4"));
  // What is gathered is computed, too.
  items_.Gather({computed, nullptr});
  const LeasedItems::Run next{kFirst, 2, 4};
  EXPECT_THAT(ahead(&next, 9), ElementsAre(second + ":2-4"));
}

TEST_F(LeasedItemsTest, TheNextBatchIsOfTheFirstItemThatIsNotWhollySent) {
  Take(kFirst);
  Take(kSecond);
  for (const PartitionId p : {PartitionId(0), PartitionId(1)}) {
    items_.Find(kFirst)->progress.Sent(p, 4);
  }
  items_.Find(kSecond)->progress.Sent(PartitionId(0), 2);
  int64_t begin = -1;
  const LeasedItem* next = items_.Next(&begin);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->progress.item(), kSecond);
  EXPECT_EQ(begin, 0);
}

TEST_F(LeasedItemsTest, AfterTheLastBatchOfAnItemComesTheNextItem) {
  Take(kFirst);
  const LeasedItems::Run whole{kFirst, 0, 4};
  int64_t begin = -1;
  EXPECT_EQ(items_.NextAfter(&whole, &begin), nullptr);
  Take(kSecond);
  ASSERT_NE(items_.NextAfter(&whole, &begin), nullptr);
  EXPECT_EQ(items_.NextAfter(&whole, &begin)->progress.item(), kSecond);
  ASSERT_NE(items_.NextAfter(nullptr, &begin), nullptr);
  EXPECT_EQ(items_.NextAfter(nullptr, &begin)->progress.item(), kFirst);
}

TEST_F(LeasedItemsTest, AreDoneWhenEveryPartitionHasThem) {
  Take(kFirst);
  Take(kSecond);
  LeasedItem* first = items_.Find(kFirst);
  first->progress.Acknowledged(PartitionId(0), 4);
  EXPECT_THAT(items_.Done(), IsEmpty());
  first->progress.Acknowledged(PartitionId(1), 4);
  EXPECT_THAT(items_.Done(), ElementsAre(kFirst));
}

TEST_F(LeasedItemsTest, AreRenewedOnlyWhileSomethingAdvances) {
  Take(kFirst);
  EXPECT_EQ(items_.next_renewal(), now_ + absl::Seconds(1));
  EXPECT_TRUE(items_.AdvancedLately(now_ + absl::Seconds(4)));
  EXPECT_FALSE(items_.AdvancedLately(now_ + absl::Seconds(5)));
  items_.Advanced(now_ + absl::Seconds(3));
  EXPECT_TRUE(items_.AdvancedLately(now_ + absl::Seconds(7)));
}

TEST_F(LeasedItemsTest, DropsWhatIsGatheredWithItsItem) {
  Take(kFirst);
  Take(kSecond);
  items_.Gather({{kFirst, 0, 2}, nullptr});

  items_.Remove(kSecond);
  ASSERT_TRUE(items_.gathered());
  EXPECT_EQ(items_.gathered()->run.end, 2);
  items_.Remove(kFirst);
  EXPECT_FALSE(items_.gathered());

  Take(kThird);
  items_.Gather({{kThird, 0, 2}, nullptr});
  items_.Clear();
  EXPECT_FALSE(items_.gathered());
}

TEST_F(LeasedItemsTest, LeavesSomethingWhileAnItemHasANextBatch) {
  Take(kFirst);
  LeasedItem* const held = items_.Find(kFirst);
  EXPECT_FALSE(items_.LeavesSomething());

  held->left_over = true;
  EXPECT_TRUE(items_.LeavesSomething());

  held->progress.Sent(PartitionId(0), 4);
  held->progress.Sent(PartitionId(1), 4);
  EXPECT_FALSE(items_.LeavesSomething());
}

TEST_F(LeasedItemsTest, OfDataThatGrowsItHasTheWholeBatchesThatAreThere) {
  plan_.grows = true;
  plan_.last_epoch_examples = 10;
  plan_.batch_by_epoch = {2};
  const auto take = [&](ItemId item, int64_t reached) {
    Lease lease;
    lease.item = item;
    lease.reached = reached;
    items_.Take(plan_, std::move(lease), now_);
    return items_.Find(item)->progress.size();
  };
  EXPECT_EQ(take(kFirst, 4), 4);
  EXPECT_EQ(take(kSecond, 3), 2);
  EXPECT_EQ(take(kThird, 2), 2);  // The last, which is shorter.
  items_.Clear();
  EXPECT_EQ(take(kFirst, 0), 0);
  EXPECT_THAT(items_.Done(), ElementsAre(kFirst));
}

}  // namespace
}  // namespace ebb::client
