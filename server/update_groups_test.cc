#include "server/update_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kKiB = 1 << 10;

std::vector<int64_t> Alike(int count, int64_t bytes) {
  return std::vector<int64_t>(count, bytes);
}

TEST(UpdateGroupsTest, EveryThreadGetsItsShare) {
  EXPECT_THAT(GroupUpdates(Alike(16, 64 * kKiB), 2), ElementsAre(8, 16));
  EXPECT_THAT(GroupUpdates(Alike(16, 64 * kKiB), 1), ElementsAre(16));
}

TEST(UpdateGroupsTest, LargeWorkIsCutSoThatPartitionsAreSoonFree) {
  EXPECT_THAT(GroupUpdates(Alike(64, 64 * kKiB), 2),
              ElementsAre(16, 32, 48, 64));
}

TEST(UpdateGroupsTest, SmallWorkIsWorthOneThreadOnly) {
  EXPECT_THAT(GroupUpdates(Alike(5, 30 * kKiB), 64), ElementsAre(5));
  EXPECT_THAT(GroupUpdates(Alike(8, 64 * kKiB), 64), ElementsAre(4, 8));
}

TEST(UpdateGroupsTest, AnUpdateIsNeverCut) {
  EXPECT_THAT(GroupUpdates(Alike(3, 4096 * kKiB), 2), ElementsAre(1, 2, 3));
  EXPECT_THAT(GroupUpdates(std::vector<int64_t>{0, 2048 * kKiB, 0}, 8),
              ElementsAre(2, 3));
  EXPECT_THAT(GroupUpdates({}, 2), IsEmpty());
}

}  // namespace
}  // namespace ebb::server
