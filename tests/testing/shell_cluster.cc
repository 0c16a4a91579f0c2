#include "tests/testing/shell_cluster.h"

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "job/specification.h"
#include "job/yaml.h"
#include "scheduler/store/rocksdb_store.h"
#include "server/store/copied_store.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/rocksdb_store.h"
#include "tests/testing/memory_files.h"

namespace ebb::testing {

namespace {

constexpr char kScheduler[] = "scheduler";
constexpr int64_t kBatch = 4;
constexpr int64_t kParameters = 40'000;  // Three blocks.

}  // namespace

// --- Jobs --------------------------------------------------------------------

namespace {

// How many examples of the batch touch which key.
template <typename Batch>
std::map<uint64_t, float> TouchedBy(const Batch& batch) {
  std::map<uint64_t, float> touched;
  for (int64_t at = batch.begin; at < batch.end; ++at) {
    ++touched[CountingComputer::KeyOf(batch.item, at)];
  }
  return touched;
}

}  // namespace

absl::StatusOr<client::BatchRowsPtr> CountingComputer::FindRows(
    const client::FindRows& batch) {
  const JobPlan& plan = batch.record->plan;
  auto rows = std::make_shared<client::BatchRows>();
  rows->item = batch.item;
  rows->begin = batch.begin;
  rows->end = batch.test ? batch.begin + 5 : batch.end;
  rows->test = batch.test;
  rows->last = rows->end == 10;
  std::vector<std::vector<uint64_t>> keys(plan.partitions);
  for (const auto& [key, examples] : TouchedBy(*rows)) {
    keys[plan.PartitionOfKey(key).value()].push_back(key);
  }
  rows->partitions.resize(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    if (keys[p].empty()) continue;
    rows->partitions[p].push_back({0, Payload::Of(std::move(keys[p]))});
  }
  return rows;
}

client::ComputeResult CountingComputer::Compute(
    const client::ComputeTask& task) {
  const JobPlan& plan = task.record->plan;
  client::ComputeResult result;
  result.gradient = Payload::Of(std::vector<float>(
      plan.parameters, static_cast<float>(task.end - task.begin)));
  std::vector<uint64_t> oracle(int64_t{plan.partitions} * plan.oracle_width);
  for (size_t i = 0; i < oracle.size(); ++i) {
    for (int64_t at = task.begin; at < task.end; ++at) {
      oracle[i] += OracleValue(task.item, at, static_cast<int64_t>(i));
    }
  }
  result.oracle = Payload::Of(std::move(oracle));
  if (!plan.sparse_tables.empty()) {
    EXPECT_TRUE(task.values->rows->Are(task));
    result.rows.resize(plan.partitions);
    const std::map<uint64_t, float> touched = TouchedBy(task);
    for (int32_t p = 0; p < plan.partitions; ++p) {
      std::vector<uint64_t> keys;
      std::vector<float> sums;
      for (const auto& [key, examples] : touched) {
        if (plan.PartitionOfKey(key) != PartitionId(p)) continue;
        keys.push_back(key);
        sums.push_back(examples);
      }
      if (keys.empty()) continue;
      result.rows[p].push_back(
          {0, Payload::Of(std::move(keys)), Payload::Of(std::move(sums))});
    }
  }
  result.ledger = ExpectedRow(task.item, task.begin, task.end);
  result.loss_sum = static_cast<double>(task.end - task.begin);
  ++batches;
  absl::SleepFor(absl::Microseconds(pace_us.load()));
  return result;
}

std::optional<EvaluationResult> CountingComputer::Evaluate(
    const client::EvaluateTask& task) {
  const client::BatchRowsPtr rows = task.values->rows;
  EvaluationResult result;
  result.examples = rows ? rows->end - rows->begin : 10;
  result.correct = rows && !rows->last ? result.examples : result.examples - 1;
  return result;
}

JobRecord CountingJob(const std::string& name, int64_t examples,
                      const std::string& more_keys, bool sparse) {
  const std::string text = absl::StrCat(
      "name: ", name,
      "\nmodel: softmax\n"
      "data: {train: {csv: a.csv}, test: {csv: b.csv}}\n"
      "optimizer: {kind: sgd, rate: 1}\n"
      "quarantine_after: 1000\noracle: {width: 2}\n",
      absl::StrContains(more_keys, "checkpoint:") ? "" : "checkpoint: 50ms\n",
      // Counts: a step that is made shorter, for it is late, counts for less.
      absl::StrContains(more_keys, "algorithm:") ? "" : "algorithm: sgd\n",
      more_keys);
  const job::JobFile file = job::ReadJob(text, name);
  EXPECT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.tables = {{"w", kParameters, InitRule::Zeros()}};
  facts.examples = examples;
  if (sparse) facts.sparse_tables.push_back({.name = "rows", .width = 1});
  const auto record = job::MakeJobRecord(file.job, facts);
  EXPECT_TRUE(record.ok()) << record.status();
  return *record;
}

namespace {

// Each example moved the row of its key by 1 / batch.
void ExpectRowsExact(const JobPlan& plan, int32_t p,
                     const std::map<uint64_t, float>& rows) {
  std::map<uint64_t, float> expected;
  for (int64_t n = 0; n < plan.items(); ++n) {
    const ItemId item = plan.ItemAt(n);
    for (int64_t at = 0; at < plan.ItemSize(item); ++at) {
      const uint64_t key = CountingComputer::KeyOf(item, at);
      if (plan.PartitionOfKey(key) != PartitionId(p)) continue;
      expected[key] -= 1.0f / static_cast<float>(kBatch);
    }
  }
  EXPECT_EQ(rows, expected) << "partition " << p;
}

}  // namespace

void ExpectExactlyOnce(ShellCluster* cluster, const JobRecord& record,
                       JobId job) {
  const JobPlan& plan = record.plan;
  for (int32_t p = 0; p < plan.partitions; ++p) {
    // A server that came back after the job's end may not have it yet.
    ShellCluster::PartitionContents contents{.marks = MarkSet(plan)};
    const auto served = [&] {
      contents = cluster->Contents(record, job, PartitionId(p));
      return contents.served;
    };
    ASSERT_TRUE(cluster->WaitUntil(served, absl::Seconds(30)))
        << "partition " << p;
    EXPECT_EQ(contents.audit.applied, plan.AllExamples());
    EXPECT_EQ(contents.audit.missing, 0) << "partition " << p;
    EXPECT_EQ(contents.audit.doubled, 0) << "partition " << p;
    for (int32_t i = 0; i < plan.oracle_width; ++i) {
      uint64_t expected = 0;
      for (int64_t n = 0; n < plan.items(); ++n) {
        const ItemId item = plan.ItemAt(n);
        for (int64_t at = 0; at < plan.ItemSize(item); ++at) {
          expected += OracleValue(item, at, p * plan.oracle_width + i);
        }
      }
      EXPECT_EQ(contents.oracle[i], expected) << "partition " << p;
    }
    // Each example moved each weight by 1 / batch.
    const float expected =
        -static_cast<float>(plan.AllExamples()) /
        static_cast<float>(plan.rounds() ? plan.RoundExamples(0) : kBatch);
    EXPECT_TRUE(std::all_of(contents.values.begin(), contents.values.end(),
                            [&](float w) { return w == expected; }))
        << "partition " << p << ": " << contents.values.front()
        << " instead of " << expected;
    if (!plan.sparse_tables.empty()) ExpectRowsExact(plan, p, contents.rows);
  }
}

// --- The cluster -------------------------------------------------------------

ShellCluster::ShellCluster(const ShellClusterOptions& options)
    : options_(options), servers_(options.servers), workers_(options.workers) {
  // The first call of it, which glog's first lines make, writes under a lock
  // that ThreadSanitizer does not see.
  tzset();
  StartScheduler();
  for (int i = 0; i < options.servers; ++i) StartServer(i);
  for (int i = 0; i < options.workers; ++i) StartWorker(i);
}

ShellCluster::~ShellCluster() {
  for (Worker& worker : workers_) worker.shell.reset();
  for (Server& server : servers_) server.shell.reset();
  scheduler_.reset();
}

std::unique_ptr<scheduler::SchedulerStore> ShellCluster::SchedulerStore() {
  if (options_.folder.empty()) {
    return std::make_unique<scheduler::MemoryStore>(&scheduler_disk_);
  }
  auto store = scheduler::RocksDbStore::Open(
      {.folder = absl::StrCat(options_.folder, "/", kScheduler),
       .env = DiskOf(kScheduler)});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

std::unique_ptr<server::CheckpointStore> ShellCluster::ServerStore(
    int i, std::string* shared_folder) {
  if (options_.folder.empty()) {
    return std::make_unique<server::MemoryStore>(&servers_[i].disk);
  }
  const std::string name = absl::StrCat("server-", i);
  // Small buffers, so that RocksDB's own threads write and merge files.
  auto store = server::RocksDbStore::Open(
      {.folder = absl::StrCat(options_.folder, "/", name),
       .write_buffer_bytes = int64_t{1} << 20,
       .env = DiskOf(name)});
  EXPECT_TRUE(store.ok()) << store.status();
  if (options_.shared == nullptr) return *std::move(store);
  auto shared = server::OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                               .server = ServerId(i),
                                               .files = options_.shared});
  EXPECT_TRUE(shared.ok()) << shared.status();
  *shared_folder = (*shared)->folder_id();
  return std::make_unique<server::CopiedStore>(*std::move(store),
                                               *std::move(shared));
}

void ShellCluster::KillScheduler() {
  transport_.Unplug(kScheduler);
  scheduler_.reset();
}

void ShellCluster::StartScheduler() {
  scheduler::SchedulerShellOptions options;
  options.core.session = NextSession();
  options.core.lease_ttl = absl::Seconds(1);
  options.core.takeover_after = absl::Seconds(10);
  // One whose snapshot died with a server is begun again after this long.
  options.core.evaluation_timeout = absl::Seconds(2);
  options.core.min_servers = options_.servers;
  options.core.shortened = [](const JobRecord& record,
                              const JobEnd& end) -> absl::StatusOr<JobRecord> {
    auto specification = job::ReadSpecification(record);
    if (!specification.ok()) return specification.status();
    specification->mutable_job()->mutable_train()->set_epochs(end.epochs);
    JobRecord shorter = record;
    shorter.plan.epochs = end.epochs;
    shorter.plan.last_epoch_examples = end.last_epoch_examples;
    shorter.specification = specification->SerializeAsString();
    return shorter;
  };
  options.listen = kScheduler;
  ASSERT_TRUE(options.Validate().ok());
  scheduler_ = std::make_unique<scheduler::SchedulerShell>(options, &transport_,
                                                           SchedulerStore());
  const absl::Status started = scheduler_->Start(nullptr);
  ASSERT_TRUE(started.ok()) << started;
}

void ShellCluster::KillServer(int i) {
  transport_.Unplug(servers_[i].address);
  servers_[i].shell.reset();
}

void ShellCluster::StartServer(int i) {
  server::ServerShellOptions options;
  options.core.id = ServerId(i);
  options.core.session = NextSession();
  options.core.report_interval = absl::Milliseconds(10);
  options.listen = absl::StrCat("ps-", i, ":0");
  options.scheduler.address = kScheduler;
  options.scheduler.last_retry = absl::Milliseconds(50);
  options.scheduler.seed = options.core.session.value();
  options.compute_threads = 2;
  options.value_bytes = int64_t{256} << 20;
  options.push_bytes = options_.push_bytes;
  auto store = ServerStore(i, &options.core.shared_folder);
  ASSERT_TRUE(options.Validate().ok());
  servers_[i].shell = std::make_unique<server::ServerShell>(
      options, &transport_, std::move(store));
  const absl::Status started = servers_[i].shell->Start(nullptr);
  ASSERT_TRUE(started.ok()) << started;
  servers_[i].address = servers_[i].shell->address();
}

void ShellCluster::KillWorker(int i) {
  workers_[i].shell.reset();
  workers_[i].computer.reset();
}

void ShellCluster::StartWorker(int i) {
  client::ClientShellOptions options;
  options.core.session = NextSession();
  options.core.name = absl::StrCat(i);
  options.scheduler = kScheduler;
  options.longest_pause = absl::Milliseconds(50);
  workers_[i].computer = std::make_unique<CountingComputer>();
  workers_[i].computer->pace_us = absl::ToInt64Microseconds(options_.pace);
  workers_[i].computer->reached = reached_;
  workers_[i].computer->ended = ended_;
  workers_[i].shell = std::make_unique<client::ClientShell>(
      options, &transport_, workers_[i].computer.get());
}

JobId ShellCluster::Submit(const JobRecord& record) {
  const auto id = std::make_shared<JobId>();
  const absl::Status submitted = scheduler_->Change(
      [record, id](scheduler::SchedulerCore* core, absl::Time now,
                   scheduler::SchedulerActions* out) {
        auto job = core->Submit(record, now, out);
        if (job.ok()) *id = *job;
        return job.status();
      },
      absl::Seconds(10));
  EXPECT_TRUE(submitted.ok()) << submitted;
  return *id;
}

bool ShellCluster::WaitUntil(const std::function<bool()>& so,
                             absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  while (!so()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void ShellCluster::DataReaches(int64_t examples, bool ended) {
  reached_ = examples;
  ended_ = ended;
  for (Worker& worker : workers_) {
    if (worker.computer == nullptr) continue;
    worker.computer->reached = examples;
    worker.computer->ended = ended;
  }
}

bool ShellCluster::Complete(JobId job) {
  bool complete = false;
  scheduler_->Inspect([&](const scheduler::SchedulerShell::Picture& picture) {
    const auto it = picture.core.jobs().find(job);
    complete = it != picture.core.jobs().end() &&
               it->second->state().phase == scheduler::JobPhase::kCompleted;
  });
  return complete;
}

int64_t ShellCluster::Applied(JobId job) {
  int64_t least = 0;
  scheduler_->Inspect([&](const scheduler::SchedulerShell::Picture& picture) {
    const auto it = picture.core.jobs().find(job);
    if (it == picture.core.jobs().end()) return;
    const scheduler::TrainingJob& training = *it->second;
    least = training.marks().marks(PartitionId(0)).examples();
    for (int32_t p = 1; p < training.plan().partitions; ++p) {
      least =
          std::min(least, training.marks().marks(PartitionId(p)).examples());
    }
  });
  return least;
}

ShellCluster::PartitionContents ShellCluster::Contents(const JobRecord& record,
                                                       JobId job,
                                                       PartitionId partition) {
  PartitionContents contents{.marks = MarkSet(record.plan)};
  for (Server& server : servers_) {
    if (server.shell == nullptr) continue;
    server.shell->Inspect([&](const server::ServerCore& core) {
      const auto it = core.jobs().find(job);
      if (it == core.jobs().end()) return;
      const server::Partition* values = it->second.partition(partition);
      if (values == nullptr || it->second.term(partition) == Term()) return;
      contents.served = true;
      contents.audit = AuditLedger(record.plan, values->tally().ledger());
      const Payload payload = values->Values();
      contents.values.resize(payload.size() / sizeof(float));
      payload.CopyTo(std::as_writable_bytes(std::span(contents.values)));
      contents.oracle.assign(values->tally().oracle().begin(),
                             values->tally().oracle().end());
      for (uint64_t key = 0; key < CountingComputer::kKeys; ++key) {
        if (values->rows() == nullptr ||
            record.plan.PartitionOfKey(key) != partition) {
          continue;
        }
        float row = 0;
        values->rows()->table(0).Gather({&key, 1}, {&row, 1});
        if (row != 0) contents.rows[key] = row;
      }
      auto marks = MarkSet::Decode(record.plan, values->marks().Encode());
      EXPECT_TRUE(marks.ok()) << marks.status();
      contents.marks = *std::move(marks);
    });
  }
  return contents;
}

}  // namespace ebb::testing
