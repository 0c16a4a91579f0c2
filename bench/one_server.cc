#include "bench/one_server.h"

#include <unistd.h>

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "tools/ebb/files.h"

namespace ebb::bench {

namespace {

constexpr Term kTerm{1};
constexpr absl::Duration kLimit = absl::Seconds(60);

}  // namespace

class OneServer::Link : public rpc::ServerLinkHandler {
 public:
  Link(OneServer* scheduler, std::shared_ptr<rpc::ServerLink> link)
      : scheduler_(scheduler), link_(std::move(link)) {}
  void OnMessage(ServerToScheduler message) override {
    scheduler_->OnMessage(link_, std::move(message));
  }
  void OnClosed(absl::Status) override {
    MutexLock lock(&scheduler_->mu_);
    if (scheduler_->link_ == link_) scheduler_->link_ = nullptr;
  }

 private:
  OneServer* const scheduler_;  // Not owned.
  const std::shared_ptr<rpc::ServerLink> link_;
};

absl::StatusOr<std::unique_ptr<OneServer>> OneServer::Start(
    rpc::Transport* transport, const std::string& programs,
    const std::string& folder) {
  std::unique_ptr<OneServer> one(new OneServer);
  one->log_ = absl::StrCat(folder, "/ebb-ps.log");
  rpc::SchedulerHandler* const handler = one.get();
  EBB_ASSIGN_OR_RETURN(
      one->listener_,
      transport->ListenScheduler("127.0.0.1:0", {.sessions = handler}));
  EBB_ASSIGN_OR_RETURN(
      tools::ChildProcess process,
      tools::ChildProcess::Start(
          {.argv = {absl::StrCat(programs, "/ebb-ps"), "--id", "0",
                    "--state-dir", absl::StrCat(folder, "/state"),
                    "--scheduler", one->listener_->address(),
                    "--die-with-parent", absl::StrCat(getpid())},
           .log = one->log_}));
  one->process_.emplace(std::move(process));
  const absl::Time deadline = absl::Now() + kLimit;
  MutexLock lock(&one->mu_);
  while (one->link_ == nullptr && absl::Now() < deadline) {
    one->changed_.WaitFor(&one->mu_, deadline - absl::Now());
  }
  if (one->link_ == nullptr) return one->Late("does not register");
  return one;
}

OneServer::~OneServer() {
  process_.reset();
  listener_.reset();
}

std::unique_ptr<rpc::WorkerLinkHandler> OneServer::OnWorkerConnected(
    std::shared_ptr<rpc::WorkerLink>) {
  return nullptr;
}

std::unique_ptr<rpc::ServerLinkHandler> OneServer::OnServerConnected(
    std::shared_ptr<rpc::ServerLink> link) {
  return std::make_unique<Link>(this, std::move(link));
}

void OneServer::OnMessage(const std::shared_ptr<rpc::ServerLink>& link,
                          ServerToScheduler message) {
  MutexLock lock(&mu_);
  if (auto* server = std::get_if<RegisterServer>(&message)) {
    server_ = std::move(*server);
    link_ = link;
  } else if (const auto* job = std::get_if<RegisterPartitions>(&message)) {
    Learn(job->job);
  }
  changed_.SignalAll();
}

void OneServer::Learn(const JobRegistration& job) {
  for (const PartitionRegistration& partition : job.partitions) {
    if (partition.serving) {
      served_[job.record->id].insert(partition.partition);
    }
  }
}

absl::StatusOr<Placement> OneServer::Serve(const JobRecordPtr& record) {
  Placement placement = {.job = record->id, .generation = kGeneration};
  Grant grant = {.record = record, .generation = kGeneration};
  const absl::Time deadline = absl::Now() + kLimit;
  MutexLock lock(&mu_);
  if (link_ == nullptr) return Late("has no session any more");
  grant.server = server_.server;
  grant.session = server_.session;
  grant.known_servers = {server_.server};
  for (int32_t p = 0; p < record->plan.partitions; ++p) {
    grant.partitions.push_back({PartitionId(p), kTerm, Term()});
    placement.partitions.push_back(
        {PartitionId(p), server_.server, server_.session, kTerm});
  }
  placement.servers = {{server_.server, server_.address}};
  link_->Send(std::move(grant));
  const auto& served = served_[record->id];
  while (served.size() < placement.partitions.size() &&
         absl::Now() < deadline) {
    changed_.WaitFor(&mu_, deadline - absl::Now());
  }
  if (served.size() == placement.partitions.size()) return placement;
  return Late(absl::StrCat("serves ", served.size(), " of ",
                           placement.partitions.size(), " partitions"));
}

absl::Status OneServer::Late(const std::string& what) const {
  const auto log = tools::ReadFile(log_);
  return absl::FailedPreconditionError(
      absl::StrCat("the server ", what, " after ", absl::FormatDuration(kLimit),
                   "; its log:\n", log.ok() ? *log : log.status().message()));
}

}  // namespace ebb::bench
