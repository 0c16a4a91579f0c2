#include "server/row_room.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace ebb::server {
namespace {

TEST(RowRoomTest, PartsFollowEachOther) {
  RowRoom room(100);
  const RowRoom::Part a = room.Take(60), b = room.Take(40);
  EXPECT_EQ(a.floats.size(), 60u);
  EXPECT_EQ(b.floats.data(), a.floats.data() + 60);
  EXPECT_EQ(a.owner, b.owner);
}

TEST(RowRoomTest, ThereIsAlwaysMore) {
  RowRoom room(0);
  std::vector<RowRoom::Part> parts;
  for (size_t i = 0; i < 20; ++i) {
    parts.push_back(room.Take(i * 10));
    for (float& value : parts.back().floats) value = static_cast<float>(i);
  }
  for (size_t i = 0; i < 20; ++i) {
    ASSERT_EQ(parts[i].floats.size(), i * 10);
    for (const float value : parts[i].floats) EXPECT_EQ(value, i);
  }
}

// Whatever is expected: a piece of a mebibyte, or what is asked for.
TEST(RowRoomTest, NotMuchMoreIsObtainedThanIsAskedFor) {
  RowRoom room(size_t{1} << 40);
  const RowRoom::Part small = room.Take(1);
  const RowRoom::Part rest = room.Take(RowRoom::kMostFloats - 1);
  EXPECT_EQ(rest.owner, small.owner);
  const RowRoom::Part next = room.Take(RowRoom::kMostFloats + 1);
  EXPECT_NE(next.owner, small.owner);
  EXPECT_EQ(next.floats.size(), RowRoom::kMostFloats + 1);
}

}  // namespace
}  // namespace ebb::server
