#include "tools/ebb/run/audited_job.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

v1::JobSummary Summary() {
  v1::JobSummary job;
  job.set_name("first");
  job.set_state(v1::JOB_STATE_COMPLETE);
  return job;
}

// Two partitions of 600 examples, at two servers.
AuditReport Exact() {
  AuditReport audit;
  audit.worst = {600, 600, 0, 0, 0, 2};
  audit.sum = {1200, 1200, 0, 0, 0, 2};
  PartitionAudit partition;
  partition.ledger = {600, 600, 0, 0, 0, 1};
  partition.marks_agree = true;
  audit.partitions.assign(2, partition);
  for (int p = 0; p < 2; ++p) {
    audit.partitions[p].partition = audit.partitions[p].server = p;
  }
  return audit;
}

TEST(AuditedJobTest, NothingIsWrongWithAnExactJob) {
  EXPECT_TRUE(AllAnswered(Exact()));
  EXPECT_EQ(WrongWithJob(Summary(), Exact()), "");
}

// Bug: the audit "is not exact", though one of the servers was only away.
TEST(AuditedJobTest, WithoutAnAnswerNothingIsKnown) {
  AuditReport audit = Exact();
  audit.partitions[1] = PartitionAudit{.partition = 1};
  audit.silent = {{.server = 1, .partitions = {1}, .why = "it is away"}};
  audit.sum = audit.partitions[0].ledger;
  EXPECT_FALSE(AllAnswered(audit));
  EXPECT_EQ(WrongWithJob(Summary(), audit),
            "first is complete, and its audit is not known: no answer from "
            "ps-1 (partition 1): it is away");
  EXPECT_EQ(WrongWithJob(Summary(), absl::UnavailableError("it is away")),
            "first is complete, and its audit is not known: it is away");
}

TEST(AuditedJobTest, WrongFiguresAreToldWhoeverIsSilent) {
  AuditReport audit = Exact();
  audit.sum.missing = 20;
  audit.partitions[0].ledger.missing = 20;
  const char* const kText =
      "first is complete, and its audit is not exact: 20 missing, 0 doubled, "
      "in all partitions together";
  EXPECT_EQ(WrongWithJob(Summary(), audit), kText);
  audit.silent = {{.server = 1, .partitions = {1}, .why = "it is away"}};
  EXPECT_EQ(WrongWithJob(Summary(), audit), kText);
}

}  // namespace
}  // namespace ebb::tools
