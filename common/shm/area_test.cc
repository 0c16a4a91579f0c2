#include "common/shm/area.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>

namespace ebb::shm {
namespace {

TEST(AreaTest, TakesTheLowestPlaceThatFits) {
  Area area(1024);
  ASSERT_EQ(area.Take(100), 0);  // 128 with what rounds it up.
  ASSERT_EQ(area.Take(64), 128);
  ASSERT_EQ(area.Take(256), 192);
  ASSERT_TRUE(area.Free(0));

  EXPECT_EQ(area.Take(129), 448);  // Not where the first was.
  EXPECT_EQ(area.Take(128), 0);
}

TEST(AreaTest, IsFullUntilSomethingIsFreed) {
  Area area(256);
  ASSERT_EQ(area.Take(256), 0);
  EXPECT_EQ(area.Take(1), std::nullopt);

  ASSERT_TRUE(area.Free(0));
  EXPECT_EQ(area.Take(256), 0);
}

TEST(AreaTest, NeighborsThatAreFreeBecomeOne) {
  for (const auto& order :
       {std::array<int64_t, 3>{0, 64, 128}, {128, 64, 0}, {0, 128, 64}}) {
    Area area(192);
    for (int64_t i = 0; i < 3; ++i) ASSERT_EQ(area.Take(64), 64 * i);
    for (const int64_t offset : order) ASSERT_TRUE(area.Free(offset));
    EXPECT_EQ(area.Take(192), 0);
  }
}

TEST(AreaTest, WhatWasNotTakenCannotBeFreed) {
  Area area(256);
  ASSERT_EQ(area.Take(128), 0);
  EXPECT_FALSE(area.Free(64));
  EXPECT_TRUE(area.Free(0));
  EXPECT_FALSE(area.Free(0));
}

TEST(AreaTest, NothingFitsIntoNothing) {
  EXPECT_EQ(Area(0).Take(1), std::nullopt);
}

}  // namespace
}  // namespace ebb::shm
