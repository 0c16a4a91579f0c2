// One ebb-ps, a process as in production, whose scheduler is this object: it
// grants the server all partitions of jobs and asks nothing else of it.
//
//   rpc::GrpcTransport transport;
//   EBB_ASSIGN_OR_RETURN(auto server,
//                        OneServer::Start(&transport, bin_folder, folder));
//   EBB_ASSIGN_OR_RETURN(Placement placement, server->Serve(record));
#ifndef EBB_BENCH_PLANE_ONE_SERVER_H_
#define EBB_BENCH_PLANE_ONE_SERVER_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "bench/plane/data_plane.h"
#include "bench/plane/emulated_link.h"
#include "common/mutex.h"
#include "common/tls/tls_settings.h"
#include "protocol/messages.h"
#include "rpc/transport.h"
#include "tools/process/child_process.h"

namespace ebb::bench {

// Thread-safe.
class OneServer : private rpc::SchedulerHandler {
 public:
  // The generation of every grant.
  static constexpr Generation kGeneration{1};

  // Starts `programs`/ebb-ps, which keeps its state and log in `folder`.
  // Workers use `plane`, if they have it, too. `tls` is the server's identity.
  // A server of another network reaches this process at `scheduler_host`, in
  // plain text.
  // Blocks until it has registered. FailedPrecondition: it does not, with its
  // last words. The transport is not owned and outlives this.
  static absl::StatusOr<std::unique_ptr<OneServer>> Start(
      rpc::Transport* transport, const std::string& programs,
      const std::string& folder, DataPlane plane = DataPlane::kGrpc,
      const TlsFiles& tls = {}, const Place& place = {},
      const std::string& scheduler_host = "127.0.0.1");
  ~OneServer() override;

  // Blocks until all partitions of the job, which has an id of its own, are
  // served: in new values, or, after Restart, in those that were stored.
  // FailedPrecondition: as of Start.
  absl::StatusOr<Placement> Serve(const JobRecordPtr& record);

  void AskToStore(const JobRecord& record);
  // Blocks until this many examples of the job's first item are durable in all
  // partitions. FailedPrecondition: as for Start.
  absl::Status AwaitStored(const JobRecord& record, int64_t examples);
  // Both.
  absl::Status Store(const JobRecord& record, int64_t examples) {
    AskToStore(record);
    return AwaitStored(record, examples);
  }

  // Kill ends the process without a word; Restart starts another in the same
  // folder and blocks until it has registered.
  void Kill() { process_.reset(); }
  absl::Status Restart();

  pid_t pid() const { return process_->pid(); }

 private:
  class Link;

  OneServer(std::string programs, std::string folder, DataPlane plane,
            TlsFiles tls, Place place)
      : programs_(std::move(programs)),
        folder_(std::move(folder)),
        plane_(plane),
        tls_(std::move(tls)),
        place_(std::move(place)) {}
  std::unique_ptr<rpc::WorkerLinkHandler> OnWorkerConnected(
      std::shared_ptr<rpc::WorkerLink> link) override;
  std::unique_ptr<rpc::ServerLinkHandler> OnServerConnected(
      std::shared_ptr<rpc::ServerLink> link) override;
  void OnMessage(const std::shared_ptr<rpc::ServerLink>& link,
                 ServerToScheduler message);
  void Learn(const JobRegistration& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Learn(const MarkReport& report) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The log is as long as all its lives.
  std::string log() const { return folder_ + "/ebb-ps.log"; }
  // The error when it did not do its work in time.
  absl::Status Late(const std::string& what) const;

  const std::string programs_, folder_;
  const DataPlane plane_;
  const TlsFiles tls_;
  const Place place_;
  std::optional<tools::ChildProcess> process_;
  std::unique_ptr<rpc::Listener> listener_;
  Mutex mu_;
  CondVar changed_;
  std::shared_ptr<rpc::ServerLink> link_ ABSL_GUARDED_BY(mu_);
  RegisterServer server_ ABSL_GUARDED_BY(mu_);
  // The term of the last grant, and the partitions served in it.
  std::map<JobId, Term> granted_ ABSL_GUARDED_BY(mu_);
  std::map<JobId, std::set<PartitionId>> served_ ABSL_GUARDED_BY(mu_);
  // Durable marks of the first item.
  std::map<JobId, std::map<PartitionId, int64_t>> durable_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_ONE_SERVER_H_
