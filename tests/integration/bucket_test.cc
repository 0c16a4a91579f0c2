// Servers that share their checkpoints in a bucket, as processes: they are
// killed, frozen and replaced, and the bucket's server fails now and then.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/objects/testing/s3_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"
#include "tools/process/child_process.h"

namespace ebb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BucketTest : public ::testing::Test {
 protected:
  BucketTest() {
    for (const std::string& variable : bucket_.environment()) {
      const size_t equals = variable.find('=');
      setenv(variable.substr(0, equals).c_str(),
             variable.substr(equals + 1).c_str(), 1);
    }
  }

  void Start(ProcessCluster* cluster, int server) {
    cluster->ps(server).Start(
        {"--shared-checkpoints", "s3://bucket/checkpoints"});
  }
  void StartAll(ProcessCluster* cluster) {
    cluster->scheduler().Start({"--takeover-after", "1s"});
    for (const int i : {0, 1}) Start(cluster, i);
    cluster->StartWorker();
  }
  static bool Applied(ProcessCluster* cluster, JobId job, int64_t examples) {
    return cluster->WaitFor(job, [examples](const v1::JobStatus& status) {
      return status.applied_min() >= examples;
    });
  }
  static bool TakenOver(ProcessCluster* cluster, JobId job) {
    return cluster->WaitFor(job, [](const v1::JobStatus& status) {
      return status.taken_over() > 0;
    });
  }
  static bool BothServe(ProcessCluster* cluster, JobId job) {
    return cluster->WaitFor(job, [](const v1::JobStatus& status) {
      std::set<int> owners;
      for (const auto& place : status.placement().partitions()) {
        owners.insert(place.server());
      }
      return owners.size() == 2 && status.moving() == 0;
    });
  }

  // Returns what `ebb` with these arguments says, and its exit code.
  static std::pair<int, std::string> Ebb(const ProcessCluster& cluster,
                                         std::vector<std::string> arguments) {
    const std::string log = cluster.folder() + "/ebb.log";
    std::filesystem::remove(log);
    arguments.insert(arguments.begin(), EBB_BIN_DIR "/ebb");
    auto child =
        tools::ChildProcess::Start({.argv = std::move(arguments), .log = log});
    EXPECT_TRUE(child.ok()) << child.status();
    const absl::Time deadline = absl::Now() + kLimit;
    while (!child->Poll() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    const int exit_code =
        child->Poll().value_or(tools::ProcessEnd{-1}).exit_code;
    std::ifstream file(log);
    return {exit_code, {std::istreambuf_iterator<char>(file), {}}};
  }

  S3Server bucket_;
};

// Only the bucket is there to ask.
TEST_F(BucketTest, CheckpointsInABucketAreListedAndAudited) {
  ProcessCluster cluster;
  StartAll(&cluster);
  const JobId job = cluster.Submit(SmallJob());
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.scheduler().EndBy(SIGKILL);
  for (const int i : {0, 1}) cluster.ps(i).EndBy(SIGKILL);
  const std::string place = "s3://bucket/checkpoints";
  const auto [audited, audit] = Ebb(cluster, {"audit", place});
  EXPECT_EQ(audited, 0) << audit;
  EXPECT_THAT(audit, HasSubstr("exact: every example was applied"));
  const auto [listed, list] = Ebb(cluster, {"checkpoint", "list", place});
  EXPECT_EQ(listed, 0) << list;
  EXPECT_THAT(list, AllOf(HasSubstr("ps-0"), HasSubstr("ps-1")));
  const auto [verified, sound] = Ebb(cluster, {"checkpoint", "verify", place});
  EXPECT_EQ(verified, 0) << sound;
  const auto [refused, why] = Ebb(cluster, {"audit", "s3://bucket/other"});
  EXPECT_NE(refused, 0);
  EXPECT_THAT(why, HasSubstr("s3://bucket/other/ holds no checkpoint"));
}

TEST_F(BucketTest, WhatAServerHadThatIsGoneForGoodIsTakenOver) {
  ProcessCluster cluster;
  StartAll(&cluster);
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(Applied(&cluster, job, 100));
  cluster.ps(1).EndBy(SIGKILL);
  ASSERT_TRUE(TakenOver(&cluster, job)) << cluster.ps(0).log();
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  // It comes back, with what it had then, and does no harm.
  Start(&cluster, 1);
  EXPECT_TRUE(BothServe(&cluster, job));
  ASSERT_TRUE(cluster.WaitComplete(job));
  cluster.ExpectExact(record, job);
}

// Each server in turn loses its disk; only the bucket has what it stored.
TEST_F(BucketTest, ServersAreReplacedOneAfterTheOther) {
  ProcessCluster cluster;
  StartAll(&cluster);
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  int64_t applied = 100;
  for (const int server : {0, 1}) {
    ASSERT_TRUE(Applied(&cluster, job, applied)) << cluster.ps(0).log();
    applied += 150;
    cluster.ps(server).EndBy(SIGKILL);
    std::filesystem::remove_all(cluster.state_folder(server));
    // The bucket's server is slow, and loses answers, meanwhile.
    bucket_.SetFaults(
        R"([{"kind": "503 SlowDown", "count": 5},
            {"kind": "lost", "method": "PUT", "skip": 2, "count": 4},
            {"kind": "reset", "skip": 7, "count": 3}])");
    Start(&cluster, server);
  }
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
}

// A server is frozen, loses its partitions, and wakes.
TEST_F(BucketTest, AFrozenServerWakesAndDoesNoHarm) {
  ProcessCluster cluster;
  StartAll(&cluster);
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(Applied(&cluster, job, 100));
  cluster.ps(1).Signal(SIGSTOP);
  const bool taken = TakenOver(&cluster, job);
  cluster.ps(1).Signal(SIGCONT);
  ASSERT_TRUE(taken) << cluster.ps(0).log();
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
}

TEST_F(BucketTest, ABucketThatIgnoresConditionsIsRefusedAtStart) {
  bucket_.SetFaults(
      R"([{"kind": "no_conditions", "method": "PUT", "count": 1000}])");
  ProcessCluster cluster;
  cluster.scheduler().Start();
  Start(&cluster, 0);
  EXPECT_NE(cluster.ps(0).WaitEnd().exit_code, 0);
  EXPECT_THAT(cluster.ps(0).log(),
              AllOf(HasSubstr("s3://bucket/checkpoints/ cannot be used"),
                    HasSubstr("If-None-Match")));
}

}  // namespace
}  // namespace ebb::testing
