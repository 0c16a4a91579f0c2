// Proves that the ThreadSanitizer tree would notice a race in what the shells
// run: a plant reads a field of the server's core without the core's lock,
// and the test asks for a report that names it. Only that tree builds this.
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/server_core.h"
#include "tests/testing/shell_cluster.h"

namespace ebb::testing {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr int kRaceReported = 66;  // ThreadSanitizer's exit code.

// By name in the report. It keeps what it reads, or nothing would be read.
class Trespasser {
 public:
  __attribute__((noinline)) void ReadUpdates(
      const server::Partition& partition) {
    updates_ = partition.tally().updates();
  }

 private:
  std::atomic<int64_t> updates_ = 0;
};

// A job as in shells_test, with `look` at a served partition every 2 ms.
template <typename Look>
void TrainUnder(Look look) {
  ShellCluster cluster({.pace = absl::Milliseconds(1)});
  const JobRecord record = CountingJob(
      "race", 400, "train: {epochs: 2, batch: 4, item_examples: 20}\n");
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitUntil(
      [&] {
        look(&cluster, job);
        return cluster.Complete(job);
      },
      kLimit));
  ExpectExactlyOnce(&cluster, record, job);
}

// The first partition of the job that the server serves; null: none yet.
const server::Partition* Served(const server::ServerCore& core, JobId job) {
  const auto it = core.jobs().find(job);
  if (it == core.jobs().end()) return nullptr;
  for (int32_t p = 0; p < 2; ++p) {
    const server::Partition* partition = it->second.partition(PartitionId(p));
    if (partition != nullptr && it->second.term(PartitionId(p)) != Term()) {
      return partition;
    }
  }
  return nullptr;
}

// It lives as long as the server, which dies with the cluster.
void LookWithoutTheLock(ShellCluster* cluster, JobId job) {
  const server::Partition* partition = nullptr;
  cluster->server(0).Inspect(
      [&](const server::ServerCore& core) { partition = Served(core, job); });
  if (partition != nullptr) Trespasser().ReadUpdates(*partition);
}

void LookUnderTheLock(ShellCluster* cluster, JobId job) {
  cluster->server(0).Inspect([&](const server::ServerCore& core) {
    const server::Partition* partition = Served(core, job);
    if (partition != nullptr) Trespasser().ReadUpdates(*partition);
  });
}

TEST(PlantedRaceDeathTest, ThreadSanitizerReportsIt) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(TrainUnder(&LookWithoutTheLock),
              ::testing::ExitedWithCode(kRaceReported),
              "ThreadSanitizer: data race.*Trespasser::ReadUpdates");
}

// The same without the plant: what was reported was the plant.
TEST(PlantedRaceTest, UnderTheLockThereIsNone) {
  TrainUnder(&LookUnderTheLock);
}

}  // namespace
}  // namespace ebb::testing
