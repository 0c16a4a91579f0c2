// ebb-worker as a process, on a cluster of processes.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ebb/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"
#include "tools/ebb/job/submission.h"
#include "tools/process/child_process.h"

namespace ebb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using tools::ChildProcess;
using tools::ProcessEnd;

// A worker in one life; its log stays.
class Worker {
 public:
  Worker(const TestFolder& folder, const std::string& name,
         std::vector<std::string> arguments)
      : log_(folder / (name + ".log")) {
    tools::ProcessSpec spec{
        .argv = {absl::StrCat(EBB_BIN_DIR, "/ebb-worker"), "--name", name},
        .log = log_};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    auto child = ChildProcess::Start(spec);
    EXPECT_TRUE(child.ok()) << child.status();
    if (child.ok()) child_.emplace(*std::move(child));
  }

  ProcessEnd Wait() {
    const absl::Time deadline = absl::Now() + kLimit;
    while (!child_->Poll() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    const auto end = child_->Poll();
    EXPECT_TRUE(end.has_value()) << log();
    return end.value_or(ProcessEnd{});
  }
  ProcessEnd EndBy(int signal) {
    child_->Signal(signal);
    return Wait();
  }
  void Signal(int signal) { child_->Signal(signal); }
  bool WaitToSay(const std::string& words) {
    const absl::Time deadline = absl::Now() + kLimit;
    while (log().find(words) == std::string::npos) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }
  bool running() { return !child_->Poll().has_value(); }
  pid_t pid() const { return child_->pid(); }

  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Returns what it computed in its life, by its last words; -1: it had none.
  int64_t examples() const {
    const std::string text = log();
    const size_t at = text.rfind(" left batches=");
    const size_t number = text.find("examples=", at);
    int64_t value = -1;
    if (at == std::string::npos || number == std::string::npos ||
        !absl::SimpleAtoi(
            text.substr(number + 9, text.find('\n', number) - number - 9),
            &value)) {
      return -1;
    }
    return value;
  }

 private:
  const std::string log_;
  std::optional<ChildProcess> child_;
};

class WorkerTest : public ::testing::Test {
 protected:
  static constexpr int64_t kExamples = 600;

  explicit WorkerTest(absl::Duration lease = absl::Seconds(1))
      : cluster_(/*tls=*/false, lease) {
    cluster_.scheduler().Start();
    cluster_.ps(0).Start();
    cluster_.ps(1).Start();
    cluster_.scheduler().address();  // It serves.
    std::ofstream data(data_);
    for (int64_t i = 0; i < kExamples; ++i) {
      const double x = 0.01 * static_cast<double>(i % 100);
      const double y = 0.02 * static_cast<double>(i % 50);
      data << x << "," << y << "," << 2 * x - 3 * y + 1 << "\n";
    }
  }

  JobRecord Prepare(const std::string& more_keys = "") {
    const std::string path = folder_ / "job.yaml";
    std::ofstream(path) << "name: lines\nmodel: linear\ndata: {train: {csv: "
                        << "{path: " << data_ << ", header: false}}}\n"
                        << "train: {epochs: 4, batch: 5, item_examples: 50}\n"
                        << "optimizer: {kind: sgd, rate: 0.05}\n"
                        << "oracle: 2\npartitions: 3\n"
                        << more_keys;
    auto prepared = tools::PrepareJob({.file = path});
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared.ok() ? prepared->record : JobRecord();
  }
  Worker Start(const std::string& name, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--scheduler", cluster_.address()});
    return Worker(folder_, name, more);
  }
  bool WaitApplied(JobId job, int64_t examples) {
    return cluster_.WaitFor(job, [&](const v1::JobStatus& status) {
      return status.applied_min() >= examples;
    });
  }

  // Checks that the work of `leaver` is not computed again.
  void ExpectAnHeirComputesTheRest(const JobRecord& record, JobId job,
                                   const Worker& leaver) {
    Worker heir = Start("heir");
    ASSERT_TRUE(cluster_.WaitComplete(job));
    cluster_.ExpectExact(record, job);
    EXPECT_EQ(heir.EndBy(SIGTERM).exit_code, 0);
    EXPECT_GE(leaver.examples(), 100);
    EXPECT_EQ(leaver.examples() + heir.examples(), 4 * kExamples);
  }

  ProcessCluster cluster_;
  const TestFolder folder_;
  const std::string data_ = folder_ / "data.csv";
};

// For tests that count what is computed: on a busy machine a worker may stand
// still for a second, and what it has is computed by another one.
class CountingWorkerTest : public WorkerTest {
 protected:
  CountingWorkerTest() : WorkerTest(absl::Seconds(60)) {}
};

TEST_F(CountingWorkerTest, TrainsAJobAndLeavesInGoodOrder) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  Worker a = Start("a"), b = Start("b");

  ASSERT_TRUE(cluster_.WaitComplete(job));

  cluster_.ExpectExact(record, job);
  EXPECT_EQ(a.EndBy(SIGTERM).exit_code, 0);
  EXPECT_EQ(b.EndBy(SIGTERM).exit_code, 0);
  EXPECT_EQ(a.examples() + b.examples(), 4 * kExamples);
}

TEST_F(WorkerTest, OneThatIsKilledIsMissedByNobody) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  Worker victim = Start("victim", {"--compute-delay", "2ms"});
  Worker other = Start("other", {"--compute-delay", "2ms", "--threads", "2"});
  ASSERT_TRUE(WaitApplied(job, 100));

  EXPECT_EQ(victim.EndBy(SIGKILL).signal, SIGKILL);

  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record, job);
}

TEST_F(WorkerTest, OneThatDiesAtABadMomentIsMissedByNobody) {
  const JobRecord record = Prepare("quarantine_after: 10\n");
  const JobId job = cluster_.Submit(record);
  int victims = 0;
  for (const absl::string_view point : client::ClientKillPoints()) {
    SCOPED_TRACE(point);
    Worker victim = Start(absl::StrCat("victim-", ++victims),
                          {"--kill-at", absl::StrCat(point, ":2")});
    EXPECT_EQ(victim.Wait().signal, SIGKILL) << victim.log();
  }

  Worker heir = Start("heir");
  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record, job);
}

TEST_F(WorkerTest, WhatCannotWorkIsRefusedWithExitCode2) {
  std::filesystem::create_directory(folder_ / "open");
  std::filesystem::permissions(folder_ / "open", std::filesystem::perms::all);
  const std::vector<std::vector<std::string>> refusals = {
      {"--held-items", "0"},
      {"--grace", "soon"},
      {"--isa", "pdp11"},
      {"--threads", "0"},
      {"--allow-plugins", folder_ / "none"},
      {"--allow-plugins", folder_ / "open"},
      {"--nonsense"},
      {"--kill-at", "never"},
      {"--notice-url", "soon"},
  };
  int number = 0;
  for (const auto& arguments : refusals) {
    SCOPED_TRACE(arguments[0]);
    Worker worker = Start(absl::StrCat("refused-", ++number), arguments);
    EXPECT_EQ(worker.Wait().exit_code, 2);
    EXPECT_THAT(worker.log(), HasSubstr(arguments.back()));
  }
}

TEST_F(CountingWorkerTest, OneThatIsToldToGoReturnsItsItemWithItsPlace) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  Worker leaver = Start("leaver", {"--compute-delay", "2ms"});
  ASSERT_TRUE(WaitApplied(job, 100));

  const absl::Time start = absl::Now();
  EXPECT_EQ(leaver.EndBy(SIGTERM).exit_code, 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));

  ExpectAnHeirComputesTheRest(record, job, leaver);
}

TEST_F(CountingWorkerTest, OneThatFindsANoticeLeavesAndReturnsItsItem) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  const std::string notice = folder_ / "notice";
  Worker leaver =
      Start("leaver", {"--compute-delay", "2ms", "--notice-file", notice});
  ASSERT_TRUE(WaitApplied(job, 100));

  std::ofstream(notice) << "taken away at noon";
  EXPECT_EQ(leaver.Wait().exit_code, 0);

  EXPECT_THAT(leaver.log(), HasSubstr("leaver leaves: the notice in " + notice +
                                      ": \"taken away at noon\""));
  ExpectAnHeirComputesTheRest(record, job, leaver);
}

TEST_F(WorkerTest, TheSignalAfterANoticeIsNoSecondOne) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  const std::string notice = folder_ / "notice";
  Worker leaver =
      Start("leaver", {"--compute-delay", "500ms", "--notice-file", notice});
  ASSERT_TRUE(WaitApplied(job, 5));

  std::ofstream(notice) << "now";
  ASSERT_TRUE(leaver.WaitToSay("leaves"));
  leaver.Signal(SIGTERM);

  EXPECT_EQ(leaver.Wait().exit_code, 0);
  EXPECT_GE(leaver.examples(), 5);
}

TEST_F(WorkerTest, OneThatComesUnderANoticeJoinsWhenThatIsGone) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  const std::string notice = folder_ / "notice";
  std::ofstream(notice) << "now";
  Worker leaver = Start("leaver", {"--notice-file", notice});
  Worker worker = Start("worker", {"--notice-file", notice});
  ASSERT_TRUE(leaver.WaitToSay("does not join"));
  ASSERT_TRUE(worker.WaitToSay("does not join"));
  EXPECT_EQ(leaver.EndBy(SIGTERM).exit_code, 0);
  const auto status = cluster_.Status(job);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->applied_max(), 0);

  std::filesystem::remove(notice);

  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record, job);
  EXPECT_EQ(worker.EndBy(SIGTERM).exit_code, 0);
  EXPECT_EQ(worker.examples(), 4 * kExamples);
}

// Bug: it stayed for as long as that took, whatever its --grace.
TEST_F(WorkerTest, OneThatIsLoadingDataLeavesAtOnce) {
  cluster_.Submit(Prepare());
  std::string lines;
  while (lines.size() < 6'000'000) lines += "1,1,1\n";
  {
    std::ofstream data(data_);
    for (int i = 0; i < 50; ++i) data << lines;
  }
  Worker worker = Start("loader");
  bool reads = false;
  const absl::Time deadline = absl::Now() + kLimit;
  while (!reads && absl::Now() < deadline) {
    std::error_code gone;
    for (const auto& fd : std::filesystem::directory_iterator(
             absl::StrCat("/proc/", worker.pid(), "/fd"), gone)) {
      reads = reads || std::filesystem::read_symlink(fd, gone) == data_;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
  ASSERT_TRUE(reads) << worker.log();

  EXPECT_EQ(worker.EndBy(SIGTERM).exit_code, 0);

  EXPECT_THAT(worker.log(), HasSubstr("left batches=0"));
  // It says so of data that is not that of the job, once it has read it.
  EXPECT_THAT(worker.log(), Not(HasSubstr("cannot be computed here")));
}

TEST_F(WorkerTest, ASecondSignalEndsItAtOnce) {
  cluster_.Submit(Prepare());
  Worker worker = Start("stuck", {"--compute-delay", "30s"});
  // It is in its batch: before that, the first signal ends it as well.
  EXPECT_TRUE(worker.WaitToSay("(--compute-delay)"));
  worker.Signal(SIGTERM);
  EXPECT_TRUE(worker.WaitToSay("leaves"));
  EXPECT_TRUE(worker.running());

  const absl::Time start = absl::Now();
  while (worker.running() && absl::Now() < start + absl::Seconds(20)) {
    worker.Signal(SIGTERM);
    absl::SleepFor(absl::Milliseconds(50));
  }

  EXPECT_FALSE(worker.running());
}

TEST_F(WorkerTest, ChangedDataIsRefusedByName) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  std::ofstream(data_, std::ios::app) << "1,1,1\n";
  Worker worker = Start("w");

  ASSERT_TRUE(cluster_.WaitFor(job, [](const v1::JobStatus& status) {
    return !status.quarantined().empty();
  }));

  EXPECT_THAT(worker.log(), HasSubstr(data_));
  const auto status = cluster_.Status(job);
  ASSERT_TRUE(status.has_value());
  EXPECT_THAT(status->quarantined(0).error(), HasSubstr(data_));
  EXPECT_EQ(status->applied_max(), 0);
  EXPECT_TRUE(worker.running());
}

TEST_F(WorkerTest, AnExampleThatKillsWorkersIsQuarantined) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  for (int life = 0; life < 20; ++life) {
    const auto status = cluster_.Status(job);
    if (status && !status->quarantined().empty()) break;
    Worker worker =
        Start(absl::StrCat("life-", life), {"--crash-at-example", "77"});
    while (worker.running()) {
      const auto now = cluster_.Status(job);
      if (now && !now->quarantined().empty()) break;
      absl::SleepFor(absl::Milliseconds(20));
    }
    if (worker.running()) break;
    EXPECT_EQ(worker.Wait().exit_code, 134);
  }

  const auto status = cluster_.Status(job);
  ASSERT_TRUE(status.has_value());
  ASSERT_FALSE(status->quarantined().empty());
  EXPECT_EQ(status->quarantined(0).failures(), 3);
  EXPECT_EQ(status->summary().state(), v1::JOB_STATE_PAUSED);
}

// The user's side of the same cluster: the loop of examples/client.
TEST_F(WorkerTest, AProgramOfAUserTrainsAJobOfItsOwn) {
  const JobRecord record = Prepare();
  const JobId job = cluster_.Submit(record);
  Client client({.scheduler = cluster_.address()});
  auto joined = client.Join("lines");
  ASSERT_TRUE(joined.ok()) << joined.status();
  ASSERT_EQ(joined->parameters(), 3);
  ASSERT_EQ(joined->examples(), kExamples);
  std::vector<float> model(3), gradient(3);
  int64_t computed = 0;
  double loss = 0;

  for (Batch& batch : joined->Batches()) {
    ASSERT_TRUE(batch.Pull(std::span(model)).ok());
    gradient = {0, 0, 0};
    loss = 0;
    for (const int64_t i : batch.examples()) {
      const float x = 0.01F * static_cast<float>(i % 100);
      const float y = 0.02F * static_cast<float>(i % 50);
      const float error =
          model[0] * x + model[1] * y + model[2] - (2 * x - 3 * y + 1);
      gradient[0] += error * x;
      gradient[1] += error * y;
      gradient[2] += error;
      loss += error * error / 2;
    }
    ASSERT_TRUE(batch.Push(gradient, loss).ok());
    computed += batch.size();
  }

  EXPECT_TRUE(joined->status().ok()) << joined->status();
  EXPECT_GE(computed, 4 * kExamples);
  EXPECT_LT(loss, 1);  // It began at about 10.
  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record, job);
}

TEST_F(WorkerTest, AProgramThatJoinsNothingIsToldWhy) {
  Client client({.scheduler = cluster_.address()});
  const auto job = client.Join("nothing");
  EXPECT_EQ(job.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(job.status().message()), HasSubstr("nothing"));
}

}  // namespace
}  // namespace ebb::testing
