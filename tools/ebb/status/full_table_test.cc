#include "tools/ebb/status/full_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

v1::Job LimitedJob() {
  v1::Job job;
  (*job.mutable_tables())["weights"].set_max_rows(10);
  return job;
}

// The status that a server and the scheduler report.
v1::JobStatus Waiting() {
  v1::JobStatus job;
  auto* reason = job.add_waiting();
  reason->set_kind(v1::WaitReason::KIND_BACK_PRESSURE);
  reason->set_text(
      "ps 0 refused 7 pushes 0 s ago: table 'weights': a push makes 1 row(s), "
      "but it has 10 of at most 10 in this partition; workers try again");
  return job;
}

// Bug: the run waited for ever.
TEST(FullTableTest, IsWaitedForOnlySoLongOnceNothingGoesOn) {
  const absl::Time now = absl::UnixEpoch();
  const absl::Duration most = FullTable::kPatience;
  FullTable table(LimitedJob());
  v1::JobStatus job = Waiting();
  job.set_examples_per_second(10);

  EXPECT_EQ(table.Update(job, now), "");
  EXPECT_EQ(table.Update(job, now + most), "");
  job.set_examples_per_second(0);
  EXPECT_EQ(table.Update(job, now + most), "");
  EXPECT_EQ(table.Update(job, now + 1.9 * most), "");
  EXPECT_THAT(table.Update(job, now + 2 * most),
              AllOf(HasSubstr("it has 10 of at most 10"),
                    HasSubstr("more tables.weights.max_rows, or with at_limit: "
                              "evict")));
}

TEST(FullTableTest, WhatGoesOnMeanwhileStartsTheWaitAnew) {
  const absl::Time now = absl::UnixEpoch();
  FullTable table(LimitedJob());

  EXPECT_EQ(table.Update(Waiting(), now), "");
  EXPECT_EQ(table.Update(v1::JobStatus(), now + absl::Seconds(50)), "");
  EXPECT_EQ(table.Update(Waiting(), now + absl::Seconds(70)), "");
}

// Once it is back, examples that are applied may let rows expire.
TEST(FullTableTest, ServersThatAreAwayAreWaitedFor) {
  const absl::Time now = absl::UnixEpoch();
  FullTable table(LimitedJob());
  v1::JobStatus job = Waiting();

  EXPECT_EQ(table.Update(job, now), "");
  job.add_waiting()->set_kind(v1::WaitReason::KIND_SERVER_AWAY);
  EXPECT_EQ(table.Update(job, now + 2 * FullTable::kPatience), "");
  job.mutable_waiting()->RemoveLast();
  EXPECT_EQ(table.Update(job, now + 2.5 * FullTable::kPatience), "");
  EXPECT_NE(table.Update(job, now + 3.5 * FullTable::kPatience), "");
}

TEST(FullTableTest, WhatMayPassIsWaitedFor) {
  const absl::Time later = absl::UnixEpoch() + 2 * FullTable::kPatience;
  v1::Job evicts = LimitedJob();
  (*evicts.mutable_tables())["weights"].set_at_limit(v1::Table::AT_LIMIT_EVICT);
  FullTable evicting(evicts);
  EXPECT_EQ(evicting.Update(Waiting(), absl::UnixEpoch()), "");
  EXPECT_EQ(evicting.Update(Waiting(), later), "");
  // Servers can be added.
  v1::JobStatus memory = Waiting();
  memory.mutable_waiting(0)->set_text(
      "ps 0 refused 7 pushes 0 s ago: no room for more rows of table 'weights' "
      "in a partition: 10 are there");
  FullTable limited(LimitedJob());
  EXPECT_EQ(limited.Update(memory, absl::UnixEpoch()), "");
  EXPECT_EQ(limited.Update(memory, later), "");
}

}  // namespace
}  // namespace ebb::tools
