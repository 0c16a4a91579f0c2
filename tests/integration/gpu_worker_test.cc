// Workers that are killed while their device computes: nobody misses them. The
// same on the processor first, which shows that the test itself is right; where
// there is no device this is all, and the test is reported as skipped.
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "models/gpu/gpu_backend.h"
#include "tests/testing/process_cluster.h"
#include "tools/ebb/job/submission.h"
#include "tools/process/child_process.h"

namespace ebb::testing {
namespace {

constexpr int kExamples = 2000;
constexpr int kKills = 8;

// Two classes of points, in lines of 8 numbers.
void WriteExamples(const std::string& path) {
  std::ofstream out(path);
  for (int i = 0; i < kExamples; ++i) {
    for (int f = 0; f < 8; ++f) out << (i * (f + 3) + f) % 17 << ",";
    out << i % 2 << "\n";
  }
}

// Layers of so many units, that most of the time of a step is the device's, and
// that there are steps enough for all kills on a fast processor.
std::string JobText(const std::string& device, int units,
                    const std::string& data) {
  return absl::StrCat(
      "name: killed\ndevice: ", device, "\nmodel: {kind: mlp, layers: [8, ",
      units, ", ", units, ", 2]}\ndata: {train: {csv: {path: ", data,
      ", header: false}}}\ntrain: {epochs: 12, batch: 20, item_examples: "
      "100}\n",
      "optimizer: {kind: sgd, rate: 0.001}\noracle: 2\npartitions: 3\n",
      "quarantine_after: 100\n");
}

class Worker {
 public:
  Worker(const TestFolder& folder, const std::string& name,
         const std::string& device, const std::string& scheduler)
      : log_(folder / (name + ".log")) {
    auto child = tools::ChildProcess::Start(
        {.argv = {absl::StrCat(EBB_BIN_DIR, "/ebb-worker"), "--name", name,
                  "--device", device, "--scheduler", scheduler,
                  "--die-with-parent", absl::StrCat(getpid())},
         .log = log_});
    EXPECT_TRUE(child.ok()) << child.status();
    if (child.ok()) child_.emplace(*std::move(child));
  }

  tools::ProcessEnd EndBy(int signal) {
    if (!child_.has_value()) return {};
    child_->Signal(signal);
    const absl::Time deadline = absl::Now() + kLimit;
    while (!child_->Poll() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return child_->Poll().value_or(tools::ProcessEnd{});
  }
  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  const std::string log_;
  std::optional<tools::ChildProcess> child_;
};

void KillInMidStep(const std::string& device, int units) {
  ProcessCluster cluster;
  const TestFolder folder;
  cluster.scheduler().Start();
  cluster.ps(0).Start();
  cluster.ps(1).Start();
  cluster.scheduler().address();
  WriteExamples(folder / "data.csv");
  std::ofstream(folder / "job.yaml")
      << JobText(device, units, folder / "data.csv");
  const auto prepared =
      tools::PrepareJob({.file = std::string(folder / "job.yaml")});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  const JobRecord& record = prepared->record;
  const JobId job = cluster.Submit(record);

  int64_t applied = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    Worker victim(folder, absl::StrCat("victim-", kill), device,
                  cluster.address());
    // It computes: its batches arrive.
    ASSERT_TRUE(cluster.WaitFor(job, [&](const v1::JobStatus& status) {
      if (status.applied_min() < applied + 40) return false;
      applied = status.applied_min();
      return true;
    })) << victim.log();
    // Somewhere in a step, elsewhere each time.
    absl::SleepFor(absl::Microseconds(700) * kill);
    EXPECT_EQ(victim.EndBy(SIGKILL).signal, SIGKILL) << victim.log();
  }

  Worker heir(folder, "heir", device, cluster.address());
  ASSERT_TRUE(cluster.WaitComplete(job)) << heir.log();
  cluster.ExpectExact(record, job);
  EXPECT_EQ(heir.EndBy(SIGTERM).exit_code, 0);
}

TEST(GpuWorkerTest, KilledInMidStepItLeavesNoTraceOnAProcessor) {
  KillInMidStep("cpu", 256);
}

TEST(GpuWorkerTest, KilledInMidStepItLeavesNoTraceOnADevice) {
  if (!models::gpu::FindGpu(0).ok()) return;  // main says so.
  KillInMidStep("gpu", 1024);
}

}  // namespace
}  // namespace ebb::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (const int failed = RUN_ALL_TESTS(); failed != 0) return failed;
  const auto gpu = ebb::models::gpu::FindGpu(0);
  if (gpu.ok()) return 0;
  std::cout << "skipped on a device: " << gpu.status().message() << "\n";
  return 77;  // SKIP_RETURN_CODE
}
