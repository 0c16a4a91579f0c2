#include "client/push_size.h"

#include <gtest/gtest.h>

namespace ebb::client {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(PushSizeTest, ALargeBatchHasFourPushesOrMore) {
  EXPECT_EQ(PushBytesFor(8 * kMiB, 4 * kMiB), 2 * kMiB);
  EXPECT_EQ(PushBytesFor(16 * kMiB, 4 * kMiB), 4 * kMiB);
  EXPECT_EQ(PushBytesFor(64 * kMiB, 4 * kMiB), 4 * kMiB);
}

TEST(PushSizeTest, ASmallBatchIsNotDividedForThat) {
  EXPECT_EQ(PushBytesFor(0, 4 * kMiB), kMiB);
  EXPECT_EQ(PushBytesFor(kMiB, 4 * kMiB), kMiB);
  EXPECT_EQ(PushBytesFor(2 * kMiB, 4 * kMiB), kMiB);
}

// A server that takes little gets less.
TEST(PushSizeTest, NoPushHasMoreThanAllowed) {
  EXPECT_EQ(PushBytesFor(64 * kMiB, 1), 1);
  EXPECT_EQ(PushBytesFor(10, 300), 300);
}

}  // namespace
}  // namespace ebb::client
