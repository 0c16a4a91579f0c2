// Disks that fail under a cluster of production shells: full ones, the power
// gone everywhere at once, a server's disk lost. The stores' own tests do the
// same to a store alone, at every point.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/testing/test_folder.h"
#include "gtest/gtest.h"
#include "server/store/internal/store_test_util.h"
#include "tests/testing/faulty_disk.h"
#include "tests/testing/memory_files.h"
#include "tests/testing/shell_cluster.h"

namespace ebb::testing {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr int kServers = 2;
constexpr int kWorkers = 3;

JobRecord Small(const std::string& more_keys = "") {
  return CountingJob(
      "small", 400,
      absl::StrCat("train: {epochs: 2, batch: 4, item_examples: 20}\n",
                   more_keys));
}

// A cluster whose daemons have a disk each, and a folder that servers share.
class DisksTest : public ::testing::Test {
 protected:
  ShellClusterOptions Options() {
    return {
        .servers = kServers,
        .workers = kWorkers,
        .pace = absl::Milliseconds(1),
        .folder = folder_.path(),
        .disk =
            [this](const std::string& daemon) { return Disk(daemon).env(); },
        .shared = &shared_};
  }
  FaultyDisk& Disk(const std::string& daemon) {
    std::unique_ptr<FaultyDisk>& disk = disks_[daemon];
    if (disk == nullptr) disk = std::make_unique<FaultyDisk>(/*strict=*/true);
    return *disk;
  }

  // Returns what a server says is wrong with it, as `ebb status` tells.
  static std::string ProblemOf(ShellCluster* cluster, int server) {
    std::string problem;
    cluster->scheduler().Inspect([&](const auto& picture) {
      const auto& servers = picture.core.cluster().servers;
      const auto it = servers.find(ServerId(server));
      if (it == servers.end()) return;
      for (const auto& [job, report] : it->second.reports) {
        problem = report.problem;
      }
    });
    return problem;
  }
  static bool AllComplete(ShellCluster* cluster, JobId job) {
    return cluster->WaitUntil([&] { return cluster->Complete(job); }, kLimit);
  }

  const TestFolder folder_{TestFolder::On::kMemory};
  std::map<std::string, std::unique_ptr<FaultyDisk>> disks_;
  MemoryFiles shared_;
};

// --- No room -----------------------------------------------------------------

TEST_F(DisksTest, AServerWhoseDiskIsFullServesOnAndRecoversByItself) {
  ShellCluster cluster(Options());
  const JobRecord record = Small();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(
      cluster.WaitUntil([&] { return cluster.Applied(job) >= 80; }, kLimit));

  Disk("server-0").FailAfter(0, rocksdb::IOStatus::NoSpace("disk full"));

  // It says so, goes on applying to the last example, and the job waits.
  EXPECT_TRUE(cluster.WaitUntil(
      [&] { return absl::StrContains(ProblemOf(&cluster, 0), "disk full"); },
      kLimit));
  EXPECT_TRUE(cluster.WaitUntil(
      [&] { return cluster.Applied(job) == record.plan.examples * 2; },
      kLimit));
  EXPECT_FALSE(cluster.Complete(job));
  EXPECT_EQ(ProblemOf(&cluster, 1), "");

  Disk("server-0").Mend();
  ASSERT_TRUE(AllComplete(&cluster, job));
  EXPECT_TRUE(cluster.WaitUntil([&] { return ProblemOf(&cluster, 0).empty(); },
                                kLimit));
  ExpectExactlyOnce(&cluster, record, job);
  EXPECT_GT(Disk("server-0").failures(), 0);
}

struct SharedFault {
  const char* name;
  absl::Status status;
  const char* told;
};
class SharedFolderTest : public DisksTest,
                         public ::testing::WithParamInterface<SharedFault> {};

TEST_P(SharedFolderTest, WhileItCannotBeWrittenServersServeOn) {
  ShellCluster cluster(Options());
  const JobRecord record = Small();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(
      cluster.WaitUntil([&] { return cluster.Applied(job) >= 80; }, kLimit));

  shared_.FailAfter(0, GetParam().status);

  for (int i = 0; i < kServers; ++i) {
    EXPECT_TRUE(cluster.WaitUntil(
        [&] {
          return absl::StrContains(ProblemOf(&cluster, i), GetParam().told);
        },
        kLimit))
        << ProblemOf(&cluster, i);
  }
  EXPECT_TRUE(cluster.WaitUntil(
      [&] { return cluster.Applied(job) == record.plan.examples * 2; },
      kLimit));
  // Its own disk does not make a version durable.
  EXPECT_FALSE(cluster.Complete(job));

  shared_.Mend();
  ASSERT_TRUE(AllComplete(&cluster, job));
  ExpectExactlyOnce(&cluster, record, job);
}

INSTANTIATE_TEST_SUITE_P(
    Fault, SharedFolderTest,
    ::testing::Values(
        SharedFault{"Full", absl::ResourceExhaustedError("no room"),
                    "disk full: shared checkpoints: no room"},
        SharedFault{"Forbidden", absl::PermissionDeniedError("read-only"),
                    "cannot write: shared checkpoints: read-only"}),
    [](const auto& test) { return std::string(test.param.name); });

// --- A disk that is gone -----------------------------------------------------

TEST_F(DisksTest, AServerThatLostItsDiskGoesOnFromTheCopies) {
  ShellCluster cluster(Options());
  const JobRecord record = Small();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(AllComplete(&cluster, job));

  for (int i = 0; i < kServers; ++i) cluster.KillServer(i);
  for (int i = 0; i < kServers; ++i) {
    std::filesystem::remove_all(absl::StrCat(folder_.path(), "/server-", i));
    cluster.StartServer(i);
  }

  const auto served = [&] {
    for (int32_t p = 0; p < record.plan.partitions; ++p) {
      if (!cluster.Contents(record, job, PartitionId(p)).served) return false;
    }
    return true;
  };
  ASSERT_TRUE(cluster.WaitUntil(served, kLimit));
  // They are as they were stored: nobody has computed anything since.
  ExpectExactlyOnce(&cluster, record, job);
  EXPECT_TRUE(cluster.Complete(job));
}

// --- No power ----------------------------------------------------------------

class PowerTest : public DisksTest,
                  public ::testing::WithParamInterface<const char*> {
 protected:
  bool AnythingUnsynced() {
    return std::any_of(disks_.begin(), disks_.end(), [](const auto& disk) {
      return disk.second->unsynced_bytes() > 0;
    });
  }
  // At one instant, for everybody; then everything starts again over what is
  // left.
  void LosePower(ShellCluster* cluster) {
    for (auto& [daemon, disk] : disks_) disk->CutPowerAfter(0);
    shared_.FailAfter(0, absl::UnavailableError("no power"));
    for (int i = 0; i < kWorkers; ++i) cluster->KillWorker(i);
    for (int i = 0; i < kServers; ++i) cluster->KillServer(i);
    cluster->KillScheduler();
    for (auto& [daemon, disk] : disks_) {
      disk->LoseUnsynced([this](int64_t most) {
        return static_cast<int64_t>(random_()) % (most + 1);
      });
    }
    shared_.LosePower([this] { return random_() % 2 == 0; });
    cluster->StartScheduler();
    for (int i = 0; i < kServers; ++i) cluster->StartServer(i);
    for (int i = 0; i < kWorkers; ++i) cluster->StartWorker(i);
  }

  std::minstd_rand random_{1};
};

TEST_P(PowerTest, EverythingLosesPowerAtOnceAndTheJobEndsExact) {
  ShellCluster cluster(Options());
  // Long enough to be still at it whenever the power goes; and every version
  // but the first leaves something unsynced: that the one before is deleted.
  const JobRecord record = CountingJob(
      "long", 4000,
      absl::StrCat("train: {epochs: 2, batch: 4, item_examples: 20}\n"
                   "checkpoint: {every: 20ms, keep: 1}\n",
                   GetParam()));
  const JobId job = cluster.Submit(record);

  for (const int64_t examples : {400, 1600, 2800, 4000}) {
    ASSERT_TRUE(cluster.WaitUntil(
        [&] { return cluster.Applied(job) >= examples && AnythingUnsynced(); },
        kLimit));
    ASSERT_FALSE(cluster.Complete(job));
    LosePower(&cluster);
  }

  ASSERT_TRUE(AllComplete(&cluster, job));
  ExpectExactlyOnce(&cluster, record, job);
}

INSTANTIATE_TEST_SUITE_P(
    Consistency, PowerTest,
    ::testing::Values("", "consistency: {kind: ssp, bound: 2}\n",
                      "consistency: {kind: rounds, examples: 80, "
                      "rounds_in_memory: 4}\n"),
    [](const auto& test) {
      return std::string(test.index == 0   ? "Asp"
                         : test.index == 1 ? "Ssp"
                                           : "Rounds");
    });

}  // namespace
}  // namespace ebb::testing
