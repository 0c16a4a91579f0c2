// The production shells together, on real threads: restarts, drains, faults of
// the disk. The ThreadSanitizer tree runs it, too.
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/shell_cluster.h"

namespace ebb::testing {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);

// 2 epochs of 400 examples, in items of 20 and batches of 4.
JobRecord Small(const std::string& more_keys = "", bool sparse = false) {
  return CountingJob(
      "small", 400,
      absl::StrCat("train: {epochs: 2, batch: 4, item_examples: 20}\n",
                   more_keys),
      sparse);
}

TEST(ShellsTest, AJobTrainsToItsEnd) {
  ShellCluster cluster({});
  const JobRecord record = Small();

  const JobId job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

TEST(ShellsTest, SspTrainsToItsEnd) {
  ShellCluster cluster({});
  const JobRecord record = Small("consistency: {kind: ssp, bound: 1}\n");

  const JobId job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

TEST(ShellsTest, RoundsTrainToTheirEnd) {
  ShellCluster cluster({});
  const JobRecord record =
      Small("consistency: {kind: rounds, examples: 80, rounds_in_memory: 4}\n");

  const JobId job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

// The gradients of these jobs are whole numbers, which all of these carry to
// the bit.
class FiltersTest : public ::testing::TestWithParam<const char*> {};

TEST_P(FiltersTest, EveryExampleCountsInEveryParameter) {
  const JobRecord record = Small(GetParam());
  // The rest of a gradient that is left over is lost with the lease.
  ShellCluster cluster(
      {.workers = KeepsResiduals(record.plan.filters.push) ? 1 : 3});

  const JobId job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
  cluster.scheduler().Inspect([&](const auto& picture) {
    const Traffic traffic =
        picture.core.jobs().at(job)->parts().losses.statistics().traffic;
    EXPECT_GT(traffic.pushed, 0);
    EXPECT_LT(traffic.pushed, traffic.pushed_as_floats);
  });
}

INSTANTIATE_TEST_SUITE_P(
    Filters, FiltersTest,
    ::testing::Values(
        "filters: {push: bf16, pull: fp16}\n",
        "filters: {push: fp16, pull: int8}\nconsistency: {kind: ssp}\n",
        "filters: {push: bf16, pull: int8}\n"
        "consistency: {kind: rounds, examples: 80, rounds_in_memory: 4}\n",
        "filters: {push: {kind: top_k, share: 0.1}}\n",
        "filters: {push: {kind: top_k, share: 0.01}, pull: bf16}\n"
        "consistency: {kind: ssp, bound: 1}\n"));

// Of a job with a sparse table they are of two parts of the test data.
class EvaluationsTest : public ::testing::TestWithParam<bool> {};

TEST_P(EvaluationsTest, ComeBack) {
  ShellCluster cluster({});
  const JobRecord record = Small("evaluate: 1 epoch\n", GetParam());
  const JobId job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  cluster.scheduler().Inspect([&](const auto& picture) {
    const auto& evaluations = picture.core.jobs().at(job)->state().evaluations;
    ASSERT_EQ(evaluations.size(), 2u);
    EXPECT_EQ(evaluations[1].epoch, 1);
    EXPECT_DOUBLE_EQ(evaluations[1].accuracy, 0.9);
  });
  ExpectExactlyOnce(&cluster, record, job);
}

INSTANTIATE_TEST_SUITE_P(Tables, EvaluationsTest, ::testing::Bool());

struct Restarted {
  const char* keys;
  bool sparse = false;
};
class RestartTest : public ::testing::TestWithParam<Restarted> {};

TEST_P(RestartTest, EverybodyMayDieAndComeBack) {
  ShellCluster cluster({.pace = absl::Milliseconds(1)});
  const JobRecord record = Small(GetParam().keys, GetParam().sparse);
  const JobId job = cluster.Submit(record);
  const auto past = [&](int64_t examples) {
    return cluster.WaitUntil([&] { return cluster.Applied(job) >= examples; },
                             kLimit);
  };

  ASSERT_TRUE(past(80));
  cluster.KillServer(0);
  absl::SleepFor(absl::Milliseconds(30));
  cluster.StartServer(0);
  ASSERT_TRUE(past(160));
  cluster.KillScheduler();
  absl::SleepFor(absl::Milliseconds(30));
  cluster.StartScheduler();
  ASSERT_TRUE(past(240));
  cluster.KillWorker(0);
  cluster.KillWorker(1);
  cluster.StartWorker(0);
  ASSERT_TRUE(past(400));
  cluster.KillServer(1);
  cluster.KillScheduler();
  cluster.StartServer(1);
  cluster.StartWorker(1);
  cluster.StartScheduler();
  ASSERT_TRUE(past(500));
  cluster.KillServer(0);
  cluster.KillServer(1);
  cluster.StartServer(0);
  cluster.StartServer(1);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

INSTANTIATE_TEST_SUITE_P(
    Consistency, RestartTest,
    ::testing::Values(Restarted{""},
                      Restarted{"consistency: {kind: ssp, bound: 2}\n"},
                      Restarted{"consistency: {kind: rounds, examples: 80, "
                                "rounds_in_memory: 4}\n"},
                      Restarted{"algorithm: {kind: downpour, push_every: 2, "
                                "pull_every: 3}\n"},
                      Restarted{"partitions: 3\n", true},
                      Restarted{"partitions: 3\n"
                                "consistency: {kind: ssp, bound: 2}\n",
                                true}));

TEST(ShellsTest, ADrainedServerLosesNothing) {
  ShellCluster cluster({.pace = absl::Milliseconds(1)});
  const JobRecord record = Small("checkpoint: 1h\n");
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(
      cluster.WaitUntil([&] { return cluster.Applied(job) >= 200; }, kLimit));

  const absl::Status drained = cluster.server(0).Drain(absl::Seconds(30));
  ASSERT_TRUE(drained.ok()) << drained;
  std::vector<int64_t> before;
  for (int32_t p = 0; p < record.plan.partitions; ++p) {
    before.push_back(
        cluster.Contents(record, job, PartitionId(p)).marks.examples());
  }
  cluster.KillServer(0);
  cluster.StartServer(0);

  const auto served = [&] {
    for (int32_t p = 0; p < record.plan.partitions; ++p) {
      if (!cluster.Contents(record, job, PartitionId(p)).served) return false;
    }
    return true;
  };
  ASSERT_TRUE(cluster.WaitUntil(served, kLimit));
  for (int32_t p = 0; p < record.plan.partitions; ++p) {
    EXPECT_GE(cluster.Contents(record, job, PartitionId(p)).marks.examples(),
              before[p]);
  }
}

TEST(ShellsTest, AFullDiskDelaysTheEndAndLosesNothing) {
  ShellCluster cluster({});
  const JobRecord record = Small();
  const JobId job = cluster.Submit(record);
  cluster.KillServer(0);
  cluster.disk(0).FailWrites(
      absl::ResourceExhaustedError("no room on the disk"));
  cluster.StartServer(0);
  const auto complains = [&] {
    bool found = false;
    cluster.scheduler().Inspect([&](const auto& picture) {
      const auto& servers = picture.core.cluster().servers;
      const auto it = servers.find(ServerId(0));
      if (it == servers.end()) return;
      for (const auto& [job, report] : it->second.reports) {
        found |= report.problem.find("disk full") != std::string::npos;
      }
    });
    return found;
  };
  ASSERT_TRUE(cluster.WaitUntil(complains, kLimit));
  EXPECT_FALSE(cluster.Complete(job));

  cluster.KillServer(0);
  cluster.disk(0).FailWrites(absl::OkStatus());
  cluster.StartServer(0);

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

TEST(ShellsTest, ASchedulerWithoutItsStoreLearnsFromTheServers) {
  ShellCluster cluster({.pace = absl::Milliseconds(1)});
  const JobRecord record = Small();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(
      cluster.WaitUntil([&] { return cluster.Applied(job) >= 100; }, kLimit));

  cluster.KillScheduler();
  cluster.scheduler_disk() = scheduler::MemoryDisk();
  cluster.StartScheduler();

  ASSERT_TRUE(cluster.WaitUntil([&] { return cluster.Complete(job); }, kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

// Bug: pushes that waited for one before them were counted by their values
// alone, and a refused one by those that it no longer had. So whoever sent ones
// of many parts without values, and gave the calls up, filled the memory.
TEST(ShellsTest, PushesThatWaitAreBoundedWhateverIsInThem) {
  constexpr int64_t kMost = int64_t{1} << 20;
  ShellCluster cluster({.servers = 1, .workers = 0, .push_bytes = kMost});
  server::ServerShell& server = cluster.server(0);
  std::promise<void> answered, may_end;
  std::thread first([&] {
    server.Push({}, [&](const PushReply&) {
      answered.set_value();
      may_end.get_future().wait();
    });
  });
  answered.get_future().wait();
  const auto push = [](int64_t segments, int64_t floats) {
    PushRequest request;
    request.segments.resize(static_cast<size_t>(segments));
    request.segments[0].gradient =
        Payload::Of(std::vector<float>(static_cast<size_t>(floats)));
    return request;
  };
  const auto waits = std::make_shared<int>(0);
  const auto done = [waits](const PushReply&) {};

  server.Push(push(1, kMost / 8), done);
  EXPECT_GE(server.figures().push_bytes, kMost / 2);
  for (int i = 0; i < 3; ++i) server.Push(push(1, kMost / 8), done);
  EXPECT_LT(server.figures().push_bytes, kMost);
  const int64_t before = waits.use_count();
  for (int i = 0; i < 1000; ++i) server.Push(push(1000, 0), done);

  EXPECT_LE(server.figures().push_bytes, 2 * kMost);
  EXPECT_GT(waits.use_count(), before);
  EXPECT_LT(waits.use_count(), before + 100);
  may_end.set_value();
  first.join();
  EXPECT_TRUE(cluster.WaitUntil(
      [&] { return server.figures().push_bytes == 0; }, kLimit));
}

TEST(ShellsTest, NothingIsToldBeforeItIsStored) {
  ShellCluster cluster({});
  cluster.KillScheduler();
  cluster.scheduler_disk().FailCommits(
      absl::ResourceExhaustedError("no room on the disk"));
  cluster.StartScheduler();

  const absl::Status submitted = cluster.scheduler().Change(
      [record = Small()](scheduler::SchedulerCore* core, absl::Time now,
                         scheduler::SchedulerActions* out) {
        return core->Submit(record, now, out).status();
      },
      absl::Milliseconds(200));

  EXPECT_TRUE(absl::IsUnavailable(submitted)) << submitted;
  EXPECT_THAT(std::string(submitted.message()),
              ::testing::HasSubstr("no room on the disk"));
}

}  // namespace
}  // namespace ebb::testing
