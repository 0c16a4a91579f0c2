// Daemons as processes, for tests: one by one, and a whole cluster.
#ifndef EBB_TESTS_TESTING_PROCESS_CLUSTER_H_
#define EBB_TESTS_TESTING_PROCESS_CLUSTER_H_

#include <signal.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/client_shell.h"
#include "common/testing/test_folder.h"
#include "protocol/ledger.h"
#include "rpc/admin.h"
#include "rpc/grpc_transport.h"
#include "rpc/security.h"
#include "tests/testing/shell_cluster.h"
#include "tools/process/child_process.h"
#include "tools/process/reserved_port.h"

namespace ebb::testing {

// For whatever should happen soon, and for a call.
inline constexpr absl::Duration kLimit = absl::Seconds(30);
inline constexpr absl::Duration kCall = absl::Seconds(10);

// One daemon, perhaps in several lives; its log is FOLDER/NAME.log.
// Thread-compatible.
class Daemon {
 public:
  // The first argument is a program of the build.
  Daemon(const TestFolder& folder, const std::string& name,
         std::vector<std::string> arguments);

  void Start(const std::vector<std::string>& more = {});
  // Waits until it serves; empty: it has ended.
  std::string address();
  tools::ProcessEnd WaitEnd();
  tools::ProcessEnd EndBy(int signal);
  void Signal(int signal) { child_->Signal(signal); }
  // Waits until the log says it.
  bool Says(absl::string_view text) const;
  std::string log() const;

 private:
  const std::string log_;
  const std::string address_file_;
  std::vector<std::string> arguments_;
  std::optional<tools::ChildProcess> child_;
};

// A scheduler and two servers as processes; a worker within the test, with a
// CountingComputer. Thread-compatible.
class ProcessCluster {
 public:
  // No process runs yet. With `tls` all processes, this one too, use TLS.
  // A worker that stands still for `lease` loses its items.
  explicit ProcessCluster(bool tls = false,
                          absl::Duration lease = absl::Seconds(1));

  void StartWorker();
  void StartAll();

  // The scheduler's address, in all its lives.
  const std::string& address() const { return port_.address(); }
  Daemon& scheduler() { return *scheduler_; }
  Daemon& ps(int i) { return *servers_[i]; }
  CountingComputer& computer() { return computer_; }
  client::ClientShell& worker() { return *worker_; }
  std::string state_folder(int i) const;
  rpc::SchedulerAdminClient Admin() { return Admin(client_); }
  rpc::SchedulerAdminClient Admin(const rpc::SecurityPtr& as) {
    return rpc::SchedulerAdminClient(address(), as);
  }
  // With every call of this process as a client. Only with TLS.
  void ShowToken(const std::string& token);
  // The folder with what the daemons write.
  const std::string& folder() const { return folder_.path(); }
  // The folder with the certificates.
  std::string tls_folder() const { return folder_ / "tls"; }
  // Null: there is no TLS.
  rpc::SecurityPtr As(Role role) const;

  static v1::SubmitJobRequest Request(const JobRecord& record,
                                      const std::string& request_id = "r1");
  // Tries until the scheduler takes it.
  JobId Submit(const JobRecord& record);
  std::optional<v1::JobStatus> Status(JobId job);
  bool WaitFor(JobId job, const std::function<bool(const v1::JobStatus&)>& so);
  bool WaitComplete(JobId job);
  // By the ledgers that the servers show.
  void ExpectExact(const JobRecord& record, JobId job);

 private:
  AuditResult Audit(const JobRecord& record, JobId job);

  const TestFolder folder_;
  const bool tls_;
  const tools::ReservedPort port_;
  const rpc::SecurityPtr client_;
  rpc::GrpcTransport transport_;
  std::unique_ptr<Daemon> scheduler_;
  std::vector<std::unique_ptr<Daemon>> servers_;
  CountingComputer computer_;
  uint64_t worker_sessions_ = 10;
  std::unique_ptr<client::ClientShell> worker_;
};

// 2 epochs of 400 examples, in items of 20 and batches of 4.
JobRecord SmallJob(const std::string& more_keys = "");

}  // namespace ebb::testing

#endif  // EBB_TESTS_TESTING_PROCESS_CLUSTER_H_
