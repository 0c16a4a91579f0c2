#include "client/item_orders.h"

#include <cstdint>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

// Eight items of 4 examples, so that an order takes 32 bytes.
JobPlan Plan() {
  JobPlan plan;
  plan.examples = 32;
  plan.shard_size = 4;
  return plan;
}

size_t KeptAfterAll(ItemOrders* orders) {
  for (int32_t shard = 0; shard < 8; ++shard) {
    EXPECT_TRUE(orders->ExamplesAt({0, shard}, 0, 4).ok());
  }
  return orders->kept();
}

TEST(ItemOrdersTest, KeepsAFewItems) {
  ItemOrders orders(Plan(), 0);
  EXPECT_EQ(KeptAfterAll(&orders), 4u);
}

TEST(ItemOrdersTest, KeepsNoMoreBytesBesideTheNewest) {
  ItemOrders orders(Plan(), 0, /*most_bytes=*/64);
  EXPECT_EQ(KeptAfterAll(&orders), 3u);
  ItemOrders newest(Plan(), 0, /*most_bytes=*/0);
  EXPECT_EQ(KeptAfterAll(&newest), 1u);
}

TEST(ItemOrdersTest, AnItemThatWasForgottenIsTheSameAgain) {
  ItemOrders orders(Plan(), 0, /*most_bytes=*/0);
  const auto before = orders.ExamplesAt({0, 2}, 1, 3);
  ASSERT_TRUE(orders.ExamplesAt({0, 5}, 0, 4).ok());
  const auto after = orders.ExamplesAt({0, 2}, 1, 3);
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_EQ(*before, *after);
}

TEST(ItemOrdersTest, GoesFromWindowToWindow) {
  ItemOrders orders(Plan(), /*window=*/8);
  for (int32_t shard = 0; shard < 8; shard += 2) {
    const auto first = orders.ExamplesAt({0, shard}, 0, 4);
    const auto second = orders.ExamplesAt({0, shard + 1}, 0, 4);
    ASSERT_TRUE(first.ok() && second.ok());
    const int64_t window = first->front() / 8;
    for (const int64_t example : *first) EXPECT_EQ(example / 8, window);
    for (const int64_t example : *second) EXPECT_EQ(example / 8, window);
  }
}

TEST(ItemOrdersTest, RefusesPlacesThatAnItemHasNot) {
  ItemOrders orders(Plan(), 0);
  EXPECT_FALSE(orders.ExamplesAt({0, 0}, 0, 5).ok());
  EXPECT_FALSE(orders.ExamplesAt({0, 0}, -1, 2).ok());
  EXPECT_FALSE(
      orders.ExamplesAt({0, 0}, 1, std::numeric_limits<int64_t>::min()).ok());
}

}  // namespace
}  // namespace ebb::client
