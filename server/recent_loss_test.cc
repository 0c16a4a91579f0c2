#include "server/recent_loss.h"

#include <gtest/gtest.h>

namespace ebb::server {
namespace {

TEST(RecentLossTest, ForgetsWhatIsNotNeeded) {
  RecentLoss loss;
  loss.Add(1e18, 3, 4);
  loss.Add(2, 1, 4);
  EXPECT_EQ(loss.examples(), 4);
  loss.Add(3, 1, 4);  // 2 examples without the first: too few.
  EXPECT_EQ(loss.examples(), 5);
  loss.Add(4, 2, 4);
  EXPECT_EQ(loss.examples(), 4);
  EXPECT_EQ(loss.sum(), 2 + 3 + 4);
  loss.Add(7, 9, 4);  // More than enough by itself.
  EXPECT_EQ(loss.examples(), 9);
  EXPECT_EQ(loss.sum(), 7);
}

}  // namespace
}  // namespace ebb::server
