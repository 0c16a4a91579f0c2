#include "scheduler/recoveries.h"

#include "gtest/gtest.h"

namespace ebb::scheduler {
namespace {

constexpr PartitionId kFirst(0), kSecond(1), kOther(2);

absl::Time At(double seconds) {
  return absl::FromUnixSeconds(1'000'000) + absl::Seconds(seconds);
}

TEST(RecoveriesTest, AnItemIsLeasedAgainAndThenCounted) {
  Recoveries recoveries;
  recoveries.WorkerLost("worker-1", {7, 9}, At(1));
  ASSERT_EQ(recoveries.list().size(), 2u);
  EXPECT_TRUE(recoveries.open());

  recoveries.Counted(7, kFirst, At(2));  // Sent by the one that is lost.
  recoveries.LeasedAgain(7, "worker-1", At(3));
  recoveries.Counted(8, kFirst, At(4));  // Another item.
  recoveries.Counted(7, kSecond, At(5));
  recoveries.Counted(7, kSecond, At(6));

  const Recovery first = recoveries.list()[0];
  EXPECT_EQ(first.kind, Recovery::Kind::kWorker);
  EXPECT_EQ(first.worker, "worker-1");
  EXPECT_EQ(first.ordinal, 7);
  EXPECT_EQ(first.lost, At(1));
  EXPECT_EQ(first.resumed, At(3));
  EXPECT_EQ(first.counted, At(5));
  const Recovery second = recoveries.list()[1];
  EXPECT_EQ(second.ordinal, 9);
  EXPECT_EQ(second.resumed, absl::InfiniteFuture());
  EXPECT_EQ(second.counted, absl::InfiniteFuture());
  EXPECT_TRUE(recoveries.open());
}

TEST(RecoveriesTest, ALeaseThatRanOutIsNotedWhenTheItemIsLeasedAgain) {
  Recoveries recoveries;
  recoveries.Leased(At(1));
  EXPECT_TRUE(recoveries.list().empty());
  recoveries.LeasedAgain(4, "worker-0", At(2));
  recoveries.Counted(4, kFirst, At(3));
  ASSERT_EQ(recoveries.list().size(), 1u);
  const Recovery one = recoveries.list()[0];
  EXPECT_EQ(one.worker, "worker-0");
  EXPECT_EQ(one.lost, absl::InfiniteFuture());
  EXPECT_EQ(one.resumed, At(2));
  EXPECT_EQ(one.counted, At(3));
  EXPECT_FALSE(recoveries.open());
}

TEST(RecoveriesTest, AServerIsBackWhenAllItsPartitionsAre) {
  Recoveries recoveries;
  recoveries.ServerLost(ServerId(5), {}, At(0));  // It had none.
  EXPECT_TRUE(recoveries.list().empty());
  recoveries.ServerLost(ServerId(1), {kFirst, kSecond}, At(1));
  recoveries.Counted(3, kOther, At(2));  // Another server's.
  recoveries.Served(kFirst, At(3));
  recoveries.Counted(3, kFirst, At(4));
  EXPECT_EQ(recoveries.list()[0].resumed, absl::InfiniteFuture());
  recoveries.Served(kSecond, At(5));
  recoveries.Counted(3, kFirst, At(6));
  EXPECT_TRUE(recoveries.open());
  recoveries.Counted(3, kSecond, At(7));
  const Recovery one = recoveries.list()[0];
  EXPECT_EQ(one.kind, Recovery::Kind::kServer);
  EXPECT_EQ(one.server, ServerId(1));
  EXPECT_EQ(one.lost, At(1));
  EXPECT_EQ(one.resumed, At(5));
  EXPECT_EQ(one.counted, At(7));
}

TEST(RecoveriesTest, ASchedulerIsBackWithItsFirstLeaseAndAnyExample) {
  Recoveries recoveries;
  recoveries.SchedulerBack(At(1));
  recoveries.Counted(3, kOther, At(2));  // Training went on meanwhile.
  recoveries.Leased(At(3));
  recoveries.Leased(At(4));
  const Recovery one = recoveries.list()[0];
  EXPECT_EQ(one.kind, Recovery::Kind::kScheduler);
  EXPECT_EQ(one.lost, At(1));
  EXPECT_EQ(one.counted, At(2));
  EXPECT_EQ(one.resumed, At(3));
}

TEST(RecoveriesTest, OnlyTheLatestAreKept) {
  Recoveries recoveries;
  for (size_t i = 0; i <= Recoveries::kMost; ++i) {
    recoveries.WorkerLost("worker-0", {static_cast<int64_t>(i)}, At(1));
  }
  const auto list = recoveries.list();
  ASSERT_EQ(list.size(), Recoveries::kMost);
  EXPECT_EQ(list.front().number, 2);
  EXPECT_EQ(list.back().number, static_cast<int64_t>(Recoveries::kMost) + 1);
  for (const Recovery& one : list) {
    recoveries.LeasedAgain(one.ordinal, "", At(2));
    recoveries.Counted(one.ordinal, kFirst, At(3));
  }
  EXPECT_FALSE(recoveries.open());
}

}  // namespace
}  // namespace ebb::scheduler
