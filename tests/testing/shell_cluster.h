// A whole cluster in one process: the production shells of scheduler, servers
// and workers over the in-process transport, with stores in memory or in
// RocksDB. Any of them can be killed and brought back.
#ifndef EBB_TESTS_TESTING_SHELL_CLUSTER_H_
#define EBB_TESTS_TESTING_SHELL_CLUSTER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/client_shell.h"
#include "common/objects/folder_files.h"
#include "rpc/inprocess_transport.h"
#include "scheduler/scheduler_shell.h"
#include "scheduler/store/memory_store.h"
#include "server/server_shell.h"
#include "server/store/memory_store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace ebb::testing {

// Each example's gradient is one for each parameter; what servers hold at the
// end says how often each example was applied. A batch takes `pace`.
class CountingComputer final : public client::JobComputer {
 public:
  absl::Status Prepare(const JobRecordPtr&) override {
    return absl::OkStatus();
  }
  // In the first sparse table each example touches one key.
  static constexpr uint64_t kKeys = 24;
  static uint64_t KeyOf(ItemId item, int64_t position) {
    return (31 * static_cast<uint64_t>(item.shard) + position * position) %
           kKeys;
  }
  absl::StatusOr<client::BatchRowsPtr> FindRows(
      const client::FindRows& batch) override;
  client::ComputeResult Compute(const client::ComputeTask& task) override;
  std::optional<EvaluationResult> Evaluate(
      const client::EvaluateTask& task) override;
  absl::StatusOr<DataReach> LookForData(const JobRecordPtr&, int64_t) override {
    return DataReach{reached, ended};
  }

  // The reach of data that grows.
  std::atomic<int64_t> reached = 0;
  std::atomic<bool> ended = false;
  std::atomic<int64_t> pace_us = 0;
  std::atomic<int64_t> batches = 0;
};

struct ShellClusterOptions {
  int servers = 2;
  int workers = 3;
  // Pace of the CountingComputers.
  absl::Duration pace = absl::ZeroDuration();
  int64_t push_bytes = int64_t{1} << 30;  // Limit of the servers.
  // The folder of the RocksDB stores; empty: stores in memory.
  std::string folder;
  // For RocksDB stores: returns the disk below that of "scheduler" or
  // "server-I". Null: the real one. Not owned.
  std::function<rocksdb::Env*(const std::string& daemon)> disk;
  // Servers with RocksDB stores share copies of their versions here (in
  // MemoryFiles::kRoot); null: nowhere. Not owned.
  FolderFiles* shared = nullptr;
};

// Thread-compatible.
class ShellCluster {
 public:
  // Everything runs when this returns.
  explicit ShellCluster(const ShellClusterOptions& options);
  ~ShellCluster();

  // Ends it as if killed: it sends no message, and loses what was not durable.
  // And a new life of the same.
  void KillScheduler();
  void StartScheduler();
  void KillServer(int i);
  void StartServer(int i);
  void KillWorker(int i);
  void StartWorker(int i);

  scheduler::SchedulerShell& scheduler() { return *scheduler_; }
  server::ServerShell& server(int i) { return *servers_[i].shell; }
  client::ClientShell& worker(int i) { return *workers_[i].shell; }
  scheduler::MemoryDisk& scheduler_disk() { return scheduler_disk_; }
  server::MemoryDisk& disk(int i) { return servers_[i].disk; }

  // Dies where the job cannot be submitted.
  JobId Submit(const JobRecord& record);
  // False: not so after `limit`.
  bool WaitUntil(const std::function<bool()>& so, absl::Duration limit);
  bool Complete(JobId job);
  // The same, for the workers that are there and those that come.
  void DataReaches(int64_t examples, bool ended);
  // Examples that the partition that has the least has applied.
  int64_t Applied(JobId job);

  // The contents of the partition, which some running server must serve.
  struct PartitionContents {
    bool served = false;
    AuditResult audit;
    std::vector<float> values;
    std::vector<uint64_t> oracle;
    // Rows of the job's sparse table, of one float per row: by key of the
    // partition.
    std::map<uint64_t, float> rows;
    MarkSet marks;
  };
  PartitionContents Contents(const JobRecord& record, JobId job,
                             PartitionId partition);

 private:
  struct Server {
    server::MemoryDisk disk;
    std::unique_ptr<server::ServerShell> shell;
    std::string address;
  };
  struct Worker {
    std::unique_ptr<CountingComputer> computer;
    std::unique_ptr<client::ClientShell> shell;
  };

  SessionId NextSession() { return SessionId(++last_session_); }
  std::unique_ptr<scheduler::SchedulerStore> SchedulerStore();
  rocksdb::Env* DiskOf(const std::string& daemon) const {
    return options_.disk != nullptr ? options_.disk(daemon) : nullptr;
  }
  // And the identity of the folder that it shares.
  std::unique_ptr<server::CheckpointStore> ServerStore(
      int i, std::string* shared_folder);

  const ShellClusterOptions options_;
  rpc::InProcessTransport transport_;
  uint64_t last_session_ = 100;
  scheduler::MemoryDisk scheduler_disk_;
  std::unique_ptr<scheduler::SchedulerShell> scheduler_;
  std::vector<Server> servers_;
  std::vector<Worker> workers_;
  int64_t reached_ = 0;  // See DataReaches.
  bool ended_ = false;
};

// A job of `examples` examples for CountingComputers: plain SGD whose steps
// are exact in float, so the final values are known to the bit. With `sparse`
// there is a sparse table, of one float per row.
JobRecord CountingJob(const std::string& name, int64_t examples,
                      const std::string& more_keys = "", bool sparse = false);

// Every partition of the job has every example exactly once: by ledger, by
// oracle table, by values.
void ExpectExactlyOnce(ShellCluster* cluster, const JobRecord& record,
                       JobId job);

}  // namespace ebb::testing

#endif  // EBB_TESTS_TESTING_SHELL_CLUSTER_H_
