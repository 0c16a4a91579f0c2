// The production shells together for a while, as in production: RocksDB under
// them, three jobs at a time, and every few batches one of them is killed, or
// told to leave, and comes back. The ThreadSanitizer tree runs it for 20 s.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/testing/test_folder.h"
#include "gtest/gtest.h"
#include "scheduler/answers/status.h"
#include "server/store/internal/store_test_util.h"
#include "tests/testing/shell_cluster.h"

#ifndef EBB_SOAK_SECONDS
#define EBB_SOAK_SECONDS 3
#endif

namespace ebb::testing {
namespace {

constexpr absl::Duration kSoak = absl::Seconds(EBB_SOAK_SECONDS);
constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr int kServers = 2;
constexpr int kWorkers = 3;
constexpr uint32_t kSeed = 1;

// Of all jobs together, between two blows.
constexpr int64_t kExamplesPerBlow = 300;

constexpr const char* kConsistencies[] = {
    "",
    "consistency: {kind: ssp, bound: 2}\n",
    "consistency: {kind: rounds, examples: 80, rounds_in_memory: 4}\n",
};

struct SubmittedJob {
  JobRecord record;
  JobId id;
};

class Soak {
 public:
  explicit Soak(const std::string& folder)
      : cluster_({.servers = kServers,
                  .workers = kWorkers,
                  .pace = absl::Milliseconds(1),
                  .folder = folder}) {}

  // Three jobs, from their submission to their audit.
  void TrainThree() {
    std::vector<SubmittedJob> jobs;
    for (const char* consistency : kConsistencies) {
      jobs.push_back(Submit(consistency));
    }
    int64_t next = kExamplesPerBlow;
    const auto complete = [&] {
      return std::all_of(jobs.begin(), jobs.end(), [&](const auto& job) {
        return cluster_.Complete(job.id);
      });
    };
    while (!complete()) {
      ASSERT_TRUE(cluster_.WaitUntil(
          [&] { return complete() || Applied(jobs) >= next; }, kLimit))
          << Applied(jobs) << " of " << next << " examples\n"
          << Explain(jobs);
      if (complete()) break;
      Strike();
      next = std::max(next, Applied(jobs)) + kExamplesPerBlow;
    }
    for (const SubmittedJob& job : jobs) {
      ExpectExactlyOnce(&cluster_, job.record, job.id);
      ExpectStored(job.id);
      ++jobs_;
    }
  }

  int jobs() const { return jobs_; }
  const std::map<std::string, int>& blows() const { return blows_; }
  bool EveryBlowFell() const { return blows_.size() == AllBlows().size(); }

 private:
  SubmittedJob Submit(const char* consistency) {
    const JobRecord record = CountingJob(
        absl::StrCat("soak-", ++submitted_), 400,
        absl::StrCat("train: {epochs: 2, batch: 4, item_examples: 20}\n"
                     "evaluate: 1 epoch\n",
                     consistency));
    return {record, cluster_.Submit(record)};
  }

  int64_t Applied(const std::vector<SubmittedJob>& jobs) {
    int64_t sum = 0;
    for (const SubmittedJob& job : jobs) sum += cluster_.Applied(job.id);
    return sum;
  }

  // Why they do not go on: what the scheduler and what the servers think.
  std::string Explain(const std::vector<SubmittedJob>& jobs) {
    std::string text;
    for (const SubmittedJob& job : jobs) {
      if (cluster_.Complete(job.id)) continue;
      cluster_.scheduler().Inspect([&](const auto& picture) {
        const auto it = picture.core.jobs().find(job.id);
        if (it == picture.core.jobs().end()) return;
        absl::StrAppend(
            &text, scheduler::StatusOf(picture, *it->second).DebugString());
      });
      for (int i = 0; i < kServers; ++i) {
        cluster_.server(i).Inspect([&](const server::ServerCore& core) {
          const auto it = core.jobs().find(job.id);
          if (it == core.jobs().end()) return;
          absl::StrAppend(&text, "server ", i, ":", Explain(job, it->second));
        });
      }
    }
    return text;
  }

  std::string Explain(const SubmittedJob& job,
                      const server::HostedJob& hosted) {
    std::string text;
    for (int32_t p = 0; p < job.record.plan.partitions; ++p) {
      const server::Partition* values = hosted.partition(PartitionId(p));
      if (values == nullptr) continue;
      absl::StrAppend(&text, " partition ", p, " in round ",
                      values->rounds().open(), " has");
      for (int64_t round = 0;
           job.record.plan.rounds() && round < job.record.plan.RoundCount();
           ++round) {
        if (values->RoundValues(round)) absl::StrAppend(&text, " ", round);
      }
      for (const auto& [item, mark] : values->marks().partial()) {
        absl::StrAppend(&text, " ", ToString(item), ":", mark);
      }
      absl::StrAppend(&text, "\n");
    }
    return text;
  }

  // Checks that the trained job is on the disks, too.
  void ExpectStored(JobId job) {
    int64_t versions = 0;
    for (int i = 0; i < kServers; ++i) {
      const auto stored = cluster_.server(i).Stored(kLimit);
      ASSERT_TRUE(stored.ok()) << stored.status();
      versions += std::count_if(
          stored->versions.begin(), stored->versions.end(),
          [&](const VersionKey& version) { return version.job == job; });
    }
    EXPECT_GT(versions, 0);
  }

  using Blow = std::pair<const char*, void (Soak::*)()>;
  static std::vector<Blow> AllBlows() {
    return {
        {"server killed", &Soak::KillServer},
        {"server drained", &Soak::DrainServer},
        {"servers killed", &Soak::KillServers},
        {"scheduler killed", &Soak::KillScheduler},
        {"scheduler and server killed", &Soak::KillSchedulerAndServer},
        {"worker killed", &Soak::KillWorker},
        {"worker drained", &Soak::DrainWorker},
        {"workers killed", &Soak::KillWorkers},
    };
  }

  // Each kind once before any comes again, in an order of the seed's.
  void Strike() {
    if (next_blows_.empty()) {
      next_blows_ = AllBlows();
      std::shuffle(next_blows_.begin(), next_blows_.end(), random_);
    }
    const auto [name, strike] = next_blows_.back();
    next_blows_.pop_back();
    ++blows_[name];
    (this->*strike)();
  }

  int AnyServer() { return static_cast<int>(random_() % kServers); }
  int AnyWorker() { return static_cast<int>(random_() % kWorkers); }

  void KillServer() {
    const int i = AnyServer();
    cluster_.KillServer(i);
    cluster_.StartServer(i);
  }
  void DrainServer() {
    const int i = AnyServer();
    const absl::Status drained = cluster_.server(i).Drain(kLimit);
    EXPECT_TRUE(drained.ok()) << drained;
    cluster_.KillServer(i);
    cluster_.StartServer(i);
  }
  void KillServers() {
    for (int i = 0; i < kServers; ++i) cluster_.KillServer(i);
    for (int i = 0; i < kServers; ++i) cluster_.StartServer(i);
  }
  void KillScheduler() {
    cluster_.KillScheduler();
    cluster_.StartScheduler();
  }
  void KillSchedulerAndServer() {
    const int i = AnyServer();
    cluster_.KillScheduler();
    cluster_.KillServer(i);
    cluster_.StartServer(i);
    cluster_.StartScheduler();
  }
  void KillWorker() {
    const int i = AnyWorker();
    cluster_.KillWorker(i);
    cluster_.StartWorker(i);
  }
  void DrainWorker() {
    const int i = AnyWorker();
    EXPECT_TRUE(cluster_.worker(i).Drain(kLimit));
    cluster_.KillWorker(i);
    cluster_.StartWorker(i);
  }
  void KillWorkers() {
    for (int i = 0; i < kWorkers; ++i) cluster_.KillWorker(i);
    for (int i = 0; i < kWorkers; ++i) cluster_.StartWorker(i);
  }

  ShellCluster cluster_;
  std::mt19937 random_{kSeed};
  std::vector<Blow> next_blows_;
  std::map<std::string, int> blows_;
  int submitted_ = 0;
  int jobs_ = 0;
};

TEST(SoakTest, JobsComeOutExactWhateverIsRestarted) {
  const TestFolder folder{TestFolder::On::kMemory};
  Soak soak(folder.path());

  const absl::Time end = absl::Now() + kSoak;
  while (absl::Now() < end || !soak.EveryBlowFell()) {
    soak.TrainThree();
    if (HasFailure()) break;
  }

  std::cout << soak.jobs() << " jobs";
  for (const auto& [name, count] : soak.blows()) {
    std::cout << ", " << name << " " << count;
  }
  std::cout << "\n";
}

}  // namespace
}  // namespace ebb::testing
