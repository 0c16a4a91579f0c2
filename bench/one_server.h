// One ebb-ps, a process as in production, whose scheduler is this object: it
// grants the server all partitions of jobs and asks nothing else of it.
//
//   rpc::GrpcTransport transport;
//   EBB_ASSIGN_OR_RETURN(auto server,
//                        OneServer::Start(&transport, bin_folder, folder));
//   EBB_ASSIGN_OR_RETURN(Placement placement, server->Serve(record));
#ifndef EBB_BENCH_ONE_SERVER_H_
#define EBB_BENCH_ONE_SERVER_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "common/protocol/messages.h"
#include "common/rpc/transport.h"
#include "tools/ebb/child_process.h"

namespace ebb::bench {

// Thread-safe.
class OneServer : private rpc::SchedulerHandler {
 public:
  // Of every grant.
  static constexpr Generation kGeneration{1};

  // Starts `programs`/ebb-ps, which keeps its state and log in `folder`.
  // Blocks until it has registered. FailedPrecondition: it does not, with its
  // last words. The transport is not owned and outlives this.
  static absl::StatusOr<std::unique_ptr<OneServer>> Start(
      rpc::Transport* transport, const std::string& programs,
      const std::string& folder);
  ~OneServer() override;

  // Blocks until all partitions of the job, which has an id of its own, are
  // served, in new values. FailedPrecondition: as of Start.
  absl::StatusOr<Placement> Serve(const JobRecordPtr& record);

  pid_t pid() const { return process_->pid(); }

 private:
  class Link;

  OneServer() = default;
  std::unique_ptr<rpc::WorkerLinkHandler> OnWorkerConnected(
      std::shared_ptr<rpc::WorkerLink> link) override;
  std::unique_ptr<rpc::ServerLinkHandler> OnServerConnected(
      std::shared_ptr<rpc::ServerLink> link) override;
  void OnMessage(const std::shared_ptr<rpc::ServerLink>& link,
                 ServerToScheduler message);
  void Learn(const JobRegistration& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What to say when it did not do what it should.
  absl::Status Late(const std::string& what) const;

  std::string log_;
  std::optional<tools::ChildProcess> process_;
  std::unique_ptr<rpc::Listener> listener_;
  Mutex mu_;
  CondVar changed_;
  std::shared_ptr<rpc::ServerLink> link_ ABSL_GUARDED_BY(mu_);
  RegisterServer server_ ABSL_GUARDED_BY(mu_);
  std::map<JobId, std::set<PartitionId>> served_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_ONE_SERVER_H_
