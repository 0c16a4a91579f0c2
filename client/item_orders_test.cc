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
  ItemOrders orders(Plan());
  EXPECT_EQ(KeptAfterAll(&orders), 4u);
}

TEST(ItemOrdersTest, KeepsNoMoreBytesBesideTheNewest) {
  ItemOrders orders(Plan(), /*most_bytes=*/64);
  EXPECT_EQ(KeptAfterAll(&orders), 3u);
  ItemOrders newest(Plan(), /*most_bytes=*/0);
  EXPECT_EQ(KeptAfterAll(&newest), 1u);
}

TEST(ItemOrdersTest, AnItemThatWasForgottenIsTheSameAgain) {
  ItemOrders orders(Plan(), /*most_bytes=*/0);
  const auto before = orders.ExamplesAt({0, 2}, 1, 3);
  ASSERT_TRUE(orders.ExamplesAt({0, 5}, 0, 4).ok());
  const auto after = orders.ExamplesAt({0, 2}, 1, 3);
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_EQ(*before, *after);
}

TEST(ItemOrdersTest, RefusesPlacesThatAnItemHasNot) {
  ItemOrders orders(Plan());
  EXPECT_FALSE(orders.ExamplesAt({0, 0}, 0, 5).ok());
  EXPECT_FALSE(orders.ExamplesAt({0, 0}, -1, 2).ok());
  EXPECT_FALSE(
      orders.ExamplesAt({0, 0}, 1, std::numeric_limits<int64_t>::min()).ok());
}

}  // namespace
}  // namespace ebb::client
