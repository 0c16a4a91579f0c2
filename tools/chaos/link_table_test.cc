#include "tools/chaos/link_table.h"

#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

Disturb On(Op op, Link link) {
  Disturb disturb;
  disturb.op = op;
  disturb.link = std::move(link);
  return disturb;
}

TEST(LinkTableTest, ALinkHasTwoEndsInNoOrder) {
  LinkTable table;
  table.Apply(On(Op::kSplit, {"worker-1", "ps-0"}));
  EXPECT_TRUE(table.StateOf("worker-1", "ps-0").split);
  EXPECT_TRUE(table.StateOf("ps-0", "worker-1").split);
  EXPECT_FALSE(table.StateOf("worker-1", "ps-1").split);
  EXPECT_FALSE(table.StateOf("worker-2", "ps-0").split);
  table.Apply(On(Op::kHeal, {"worker-1", "ps-0"}));
  EXPECT_FALSE(table.StateOf("worker-1", "ps-0").split);
}

TEST(LinkTableTest, AllMeansThoseThatComeLater) {
  LinkTable table;
  table.Apply(On(Op::kSplit, {"ps-0", "all"}));
  EXPECT_TRUE(table.StateOf("worker-99", "ps-0").split);
  EXPECT_TRUE(table.StateOf("ps-0", "scheduler").split);
  EXPECT_FALSE(table.StateOf("worker-99", "ps-1").split);
}

TEST(LinkTableTest, DisturbancesOfOverlappingLinksStandTogether) {
  LinkTable table;
  Disturb delay = On(Op::kDelay, {"all", "all"});
  delay.delay = absl::Milliseconds(50);
  table.Apply(delay);
  Disturb limit = On(Op::kLimit, {"ps-1", "all"});
  limit.bytes_per_second = 1000;
  table.Apply(limit);
  limit.link = {"all", "all"};
  limit.bytes_per_second = 4000;
  table.Apply(limit);  // In the place of the delay.
  EXPECT_EQ(table.StateOf("worker-0", "ps-1").bytes_per_second, 1000);
  EXPECT_EQ(table.StateOf("worker-0", "ps-0").bytes_per_second, 4000);
  EXPECT_EQ(table.StateOf("worker-0", "ps-0").delay, absl::ZeroDuration());
  delay.link = {"worker-0", "ps-1"};
  table.Apply(delay);
  EXPECT_EQ(table.StateOf("ps-1", "worker-0").delay, absl::Milliseconds(50));
  EXPECT_EQ(table.StateOf("ps-1", "worker-0").bytes_per_second, 1000);
}

}  // namespace
}  // namespace ebb::chaos
