#include "bench/plane/one_server.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "protocol/marks.h"
#include "tools/files/files.h"
#include "tools/process/tls_process.h"

namespace ebb::bench {

namespace {

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
    const std::string& folder, DataPlane plane, const TlsFiles& tls,
    const Place& place, const std::string& scheduler_host) {
  std::unique_ptr<OneServer> one(
      new OneServer(programs, folder, plane, tls, place));
  rpc::SchedulerHandler* const handler = one.get();
  EBB_ASSIGN_OR_RETURN(one->listener_, transport->ListenScheduler(
                                           absl::StrCat(scheduler_host, ":0"),
                                           {.sessions = handler}));
  EBB_RETURN_IF_ERROR(one->Restart());
  return one;
}

absl::Status OneServer::Restart() {
  Kill();
  {
    MutexLock lock(&mu_);
    link_ = nullptr;
    served_.clear();
  }
  tools::ProcessSpec spec = {
      .argv = {absl::StrCat(programs_, "/ebb-ps"), "--id", "0", "--state-dir",
               absl::StrCat(folder_, "/state"), "--scheduler",
               listener_->address(), "--shared-memory",
               plane_ == DataPlane::kShared ? "auto" : "off", "--bulk",
               plane_ == DataPlane::kBulk ? "auto" : "off", "--die-with-parent",
               absl::StrCat(getpid())},
      .log = log()};
  tools::AddTls(tls_, &spec);
  if (place_.network >= 0) {
    spec.argv.insert(
        spec.argv.end(),
        {"--listen", absl::StrCat(place_.host, ":0"), "--insecure"});
  }
  EBB_RETURN_IF_ERROR(InNetwork(place_.network, [&]() -> absl::Status {
    EBB_ASSIGN_OR_RETURN(tools::ChildProcess process,
                         tools::ChildProcess::Start(spec));
    process_.emplace(std::move(process));
    return absl::OkStatus();
  }));
  const absl::Time deadline = SteadyNow() + kLimit;
  MutexLock lock(&mu_);
  while (link_ == nullptr && SteadyNow() < deadline) {
    changed_.WaitFor(&mu_, deadline - SteadyNow());
  }
  if (link_ == nullptr) return Late("does not register");
  return absl::OkStatus();
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
  } else if (const auto* marks = std::get_if<MarkReport>(&message)) {
    Learn(*marks);
  }
  changed_.SignalAll();
}

void OneServer::Learn(const JobRegistration& job) {
  for (const PartitionRegistration& partition : job.partitions) {
    if (partition.serving && partition.term == granted_[job.record->id]) {
      served_[job.record->id].insert(partition.partition);
    }
    if (partition.durable_marks.empty()) continue;
    const auto durable =
        MarkSet::Decode(job.record->plan, partition.durable_marks);
    if (!durable.ok()) continue;
    durable_[job.record->id][partition.partition] = durable->mark({0, 0});
  }
}

void OneServer::Learn(const MarkReport& report) {
  for (const PartitionMarkReport& partition : report.partitions) {
    for (const ItemMark& mark : partition.durable) {
      if (mark.item != ItemId{0, 0}) continue;
      durable_[report.job][partition.partition] = mark.mark;
    }
  }
}

void OneServer::AskToStore(const JobRecord& record) {
  MutexLock lock(&mu_);
  if (link_ != nullptr) link_->Send(CheckpointNow{record.id});
}

absl::Status OneServer::AwaitStored(const JobRecord& record, int64_t examples) {
  const absl::Time deadline = SteadyNow() + kLimit;
  MutexLock lock(&mu_);
  const auto stored = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::ranges::count_if(durable_[record.id], [&](const auto& one) {
      return one.second >= examples;
    });
  };
  while (stored() < record.plan.partitions && SteadyNow() < deadline) {
    changed_.WaitFor(&mu_, deadline - SteadyNow());
  }
  if (stored() == record.plan.partitions) return absl::OkStatus();
  return Late(absl::StrCat("has stored ", stored(), " of ",
                           record.plan.partitions, " partitions"));
}

absl::StatusOr<Placement> OneServer::Serve(const JobRecordPtr& record) {
  Placement placement = {.job = record->id, .generation = kGeneration};
  Grant grant = {.record = record, .generation = kGeneration};
  const absl::Time deadline = SteadyNow() + kLimit;
  MutexLock lock(&mu_);
  if (link_ == nullptr) return Late("has no session any more");
  grant.server = server_.server;
  grant.session = server_.session;
  grant.known_servers = {server_.server};
  Term& granted = granted_[record->id];
  const Term parent = granted;
  granted = Term(granted.value() + 1);
  served_[record->id].clear();
  for (int32_t p = 0; p < record->plan.partitions; ++p) {
    grant.partitions.push_back({PartitionId(p), granted, parent});
    placement.partitions.push_back(
        {PartitionId(p), server_.server, server_.session, granted});
  }
  placement.servers = {{server_.server, server_.address}};
  link_->Send(std::move(grant));
  const auto& served = served_[record->id];
  while (served.size() < placement.partitions.size() &&
         SteadyNow() < deadline) {
    changed_.WaitFor(&mu_, deadline - SteadyNow());
  }
  if (served.size() == placement.partitions.size()) return placement;
  return Late(absl::StrCat("serves ", served.size(), " of ",
                           placement.partitions.size(), " partitions"));
}

absl::Status OneServer::Late(const std::string& what) const {
  const auto said = tools::ReadFile(log());
  return absl::FailedPreconditionError(absl::StrCat(
      "the server ", what, " after ", absl::FormatDuration(kLimit),
      "; its log:\n", said.ok() ? *said : said.status().message()));
}

}  // namespace ebb::bench
