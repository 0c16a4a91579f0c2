// Each daemon killed at each of its named points: the job completes, and every
// example is applied exactly once.
#include <signal.h>

#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"

namespace ebb::testing {
namespace {

using ::testing::SizeIs;
using tools::ProcessEnd;

class ServerKillTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ServerKillTest, TheJobCompletesExactly) {
  ProcessCluster cluster;
  cluster.scheduler().Start();
  cluster.ps(0).Start();
  cluster.ps(1).Start({"--kill-at", GetParam()});
  cluster.StartWorker();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);

  if (absl::StartsWith(GetParam(), "version-loaded")) {
    // Only a later life loads versions.
    ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
      return status.applied_min() >= 100;
    }));
    cluster.ps(1).EndBy(SIGKILL);
    cluster.ps(1).Start({"--kill-at", GetParam()});
  }
  const ProcessEnd end = cluster.ps(1).WaitEnd();
  EXPECT_EQ(end.signal, SIGKILL) << cluster.ps(1).log();
  cluster.ps(1).Start();

  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
}

INSTANTIATE_TEST_SUITE_P(
    Points, ServerKillTest,
    ::testing::Values("applied-not-replied:20", "computed-not-committed:20",
                      "grant-taken-not-registered",
                      "version-values-written-not-manifest:3",
                      "manifest-written-not-reported:3",
                      "version-loaded-not-served"));

class SchedulerKillTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SchedulerKillTest, TheJobCompletesExactly) {
  ProcessCluster cluster;
  cluster.scheduler().Start({"--kill-at", GetParam()});
  ASSERT_NE(cluster.scheduler().address(), "");
  cluster.ps(0).Start();
  cluster.ps(1).Start();
  cluster.StartWorker();
  const JobRecord record = SmallJob("consistency: {kind: ssp, bound: 2}\n");
  const bool dies_at_submission = GetParam() == "job-stored-not-answered";
  JobId job;
  if (dies_at_submission) {
    const auto none =
        cluster.Admin().SubmitJob(ProcessCluster::Request(record), kCall);
    EXPECT_FALSE(none.ok());
  } else {
    job = cluster.Submit(record);
  }

  const ProcessEnd end = cluster.scheduler().WaitEnd();
  EXPECT_EQ(end.signal, SIGKILL) << cluster.scheduler().log();
  cluster.scheduler().Start();
  if (dies_at_submission) job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
  const auto jobs = cluster.Admin().ListJobs({}, kCall);
  ASSERT_TRUE(jobs.ok());
  EXPECT_THAT(jobs->jobs(), SizeIs(1));  // The second try was the first's job.
}

INSTANTIATE_TEST_SUITE_P(Points, SchedulerKillTest,
                         ::testing::Values("lease-granted-not-stored:3",
                                           "lease-granted-not-sent:3",
                                           "term-stored-not-sent",
                                           "completion-stored-not-sent",
                                           "job-stored-not-answered"));

}  // namespace
}  // namespace ebb::testing
