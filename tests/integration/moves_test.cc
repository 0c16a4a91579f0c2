// Servers that come, leave and are lost for good, as processes.
#include <signal.h>

#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"

namespace ebb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The servers that serve partitions; all of them are served.
std::set<int> Owners(const v1::JobStatus& status) {
  std::set<int> owners;
  if (status.placement().partitions_size() != status.partitions()) return {};
  for (const auto& place : status.placement().partitions()) {
    owners.insert(place.server());
  }
  return owners;
}

TEST(MovesTest, AServerThatIsToldToLeaveHandsItsPartitionsOver) {
  ProcessCluster cluster;
  cluster.StartAll();
  const JobRecord record = SmallJob();
  ASSERT_GE(record.plan.partitions, 2);
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() >= 100;
  }));

  const tools::ProcessEnd end = cluster.ps(1).EndBy(SIGTERM);
  EXPECT_EQ(end.exit_code, 0) << cluster.ps(1).log();
  const auto alone = cluster.Status(job);
  ASSERT_TRUE(alone);
  EXPECT_EQ(Owners(*alone), std::set<int>{0});
  EXPECT_EQ(alone->moved(), record.plan.partitions / 2);
  // The partitions that moved were not loaded, and not lost.
  EXPECT_THAT(cluster.ps(0).log(), Not(HasSubstr("goes on from version")));
  EXPECT_EQ(alone->fell_back_size(), 0);

  // It comes back with nothing, and gets its share again.
  cluster.ps(1).Start();
  EXPECT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return Owners(status).size() == 2 && status.moving() == 0;
  }));
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
}

// Source and target in turns, while partitions move over a bulk stream. The
// parameter: by TLS.
class MovesKillTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Tls, MovesKillTest, ::testing::Bool());

TEST_P(MovesKillTest, ServersThatAreKilledInTheMidstOfMovesLoseNothing) {
  constexpr int kKills = 6;
  ProcessCluster cluster(/*tls=*/GetParam());
  cluster.StartAll();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  int in_the_midst = 0;
  bool streamed = false;
  for (int kill = 0; kill < kKills; ++kill) {
    const size_t wanted = kill % 2 == 0 ? 1 : 2;
    v1::ScaleJobRequest request;
    request.set_job(job.value());
    request.set_servers(static_cast<int>(wanted));
    ASSERT_TRUE(cluster.Admin().ScaleJob(request, kCall).ok());
    bool moving = false;
    ASSERT_TRUE(cluster.WaitFor(job, [&](const v1::JobStatus& status) {
      moving = status.moving() > 0;
      return moving || Owners(status).size() == wanted;
    }));
    if (moving) ++in_the_midst;
    for (const int i : {0, 1}) {
      streamed |=
          absl::StrContains(cluster.ps(i).log(), "transport=bulk-stream");
    }
    cluster.ps(kill / 2 % 2).EndBy(SIGKILL);
    cluster.ps(kill / 2 % 2).Start();
    ASSERT_TRUE(cluster.WaitFor(job, [&](const v1::JobStatus& status) {
      return Owners(status).size() == wanted && status.moving() == 0;
    })) << kill;
  }
  EXPECT_GT(in_the_midst, 0);
  EXPECT_TRUE(streamed);
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
}

TEST(MovesTest, AJobIsPutOnFewerServersAndBack) {
  ProcessCluster cluster;
  cluster.StartAll();
  const JobRecord record = SmallJob("consistency: {kind: ssp, bound: 2}\n");
  const JobId job = cluster.Submit(record);
  for (const int servers : {1, 2, 1, 0}) {
    v1::ScaleJobRequest request;
    request.set_job(job.value());
    request.set_servers(servers);
    ASSERT_TRUE(cluster.Admin().ScaleJob(request, kCall).ok());
    EXPECT_TRUE(cluster.WaitFor(job, [&](const v1::JobStatus& status) {
      return Owners(status).size() == (servers == 1 ? 1u : 2u) &&
             status.moving() == 0;
    }));
  }
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
}

// Bug: a version that had moved away stayed in the folder, called damaged.
TEST(MovesTest, WhatMovedAwayIsNotCalledDamaged) {
  ProcessCluster cluster;
  const std::string shared = cluster.state_folder(0) + "-shared";
  std::filesystem::create_directory(shared);
  cluster.scheduler().Start();
  for (const int i : {0, 1}) {
    cluster.ps(i).Start({"--shared-checkpoints", shared});
  }
  const JobId job = cluster.Submit(SmallJob());
  const auto on = [&](size_t servers) {
    return cluster.WaitFor(job, [&](const v1::JobStatus& status) {
      return Owners(status).size() == servers && status.moving() == 0;
    });
  };
  ASSERT_TRUE(on(2));
  v1::ScaleJobRequest request;
  request.set_job(job.value());
  request.set_servers(1);
  ASSERT_TRUE(cluster.Admin().ScaleJob(request, kCall).ok());
  ASSERT_TRUE(on(1));

  int64_t versions = 0;
  for (const int i : {0, 1}) {
    v1::VerifyVersionsRequest verify;
    verify.set_job(job.value());
    const auto verified = rpc::PsAdminClient(cluster.ps(i).address())
                              .VerifyVersions(verify, kCall);
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(verified->damaged_size(), 0) << verified->DebugString();
    versions += verified->versions();
  }
  EXPECT_GT(versions, 0);
}

TEST(MovesTest, WhatAServerHadThatIsGoneForGoodIsTakenOver) {
  ProcessCluster cluster;
  const std::string shared = cluster.state_folder(0) + "-shared";
  std::filesystem::create_directory(shared);
  cluster.scheduler().Start({"--takeover-after", "1s"});
  for (const int i : {0, 1}) {
    cluster.ps(i).Start({"--shared-checkpoints", shared});
  }
  cluster.StartWorker();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() >= 100;
  }));

  cluster.ps(1).EndBy(SIGKILL);
  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.taken_over() > 0;
  }));
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();

  // It comes back, with what it had then, and does no harm.
  cluster.ps(1).Start({"--shared-checkpoints", shared});
  EXPECT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return Owners(status).size() == 2 && status.moving() == 0;
  }));
  ASSERT_TRUE(cluster.WaitComplete(job));
  cluster.ExpectExact(record, job);
}

}  // namespace
}  // namespace ebb::testing
