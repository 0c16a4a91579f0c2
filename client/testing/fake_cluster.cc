#include "client/testing/fake_cluster.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace ebb::client {

namespace {

constexpr int64_t kItemExamples = 10;

}  // namespace

JobRecordPtr FakeJob(int32_t epochs, int32_t shards, int64_t parameters,
                     int32_t partitions) {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(7);
  record->name = "fake";
  JobPlan& plan = record->plan;
  plan.epochs = epochs;
  plan.examples = shards * kItemExamples;
  plan.shard_size = kItemExamples;
  plan.batch_by_epoch = {4};
  plan.seed = 3;
  plan.parameters = parameters;
  plan.block_floats = 2;
  plan.partitions = partitions;
  return record;
}

// --- FakePs ------------------------------------------------------------------

FakePs::FakePs(ServerId id, SessionId session, Term term, JobRecordPtr record,
               std::vector<PartitionId> partitions)
    : id_(id), session_(session), term_(term), record_(std::move(record)) {
  for (const PartitionId p : partitions) {
    const auto [first, last] = record_->plan.ParameterRange(p);
    parts_[p].values.resize(last - first);
  }
}

void FakePs::Push(PushRequest request, PushDone done) {
  PushReply reply;
  reply.job = request.job;
  reply.generation = request.generation;
  reply.server = id_;
  reply.server_session = session_;
  reply.worker = request.stamp.worker;
  reply.incarnation = request.incarnation;
  reply.sequence = request.sequence;
  reply.item = request.item;
  {
    MutexLock lock(&mu_);
    for (const PushSegment& segment : request.segments) {
      PushSegmentReply answer{segment.partition, Verdict::kApplied, 0, term_};
      Part& part = parts_.at(segment.partition);
      int64_t& mark = part.marks[request.item];
      if (segment.term != term_ || request.server_session != session_) {
        answer.verdict = Verdict::kWrongPlacement;
      } else if (request.end <= mark) {
        answer.verdict = Verdict::kDuplicate;
      } else if (request.begin > mark) {
        answer.verdict = Verdict::kGap;
      } else if (request.begin < mark) {
        answer.verdict = Verdict::kOverlap;
      } else {
        std::vector<float> gradient(part.values.size());
        segment.gradient.CopyTo(std::as_writable_bytes(std::span(gradient)));
        for (size_t i = 0; i < gradient.size(); ++i) {
          part.values[i] += gradient[i];
        }
        part.total += request.ledger;
        ++part.updates;
        mark = request.end;
      }
      refused_ += answer.verdict == Verdict::kApplied ? 0 : 1;
      answer.mark = mark;
      reply.segments.push_back(answer);
    }
  }
  done(std::move(reply));
}

void FakePs::Pull(PullRequest request, PullDone done) {
  PullReply reply;
  reply.job = request.job;
  reply.generation = request.generation;
  reply.server = id_;
  reply.server_session = session_;
  reply.worker = request.stamp.worker;
  reply.request = request.request;
  {
    MutexLock lock(&mu_);
    if (holding_) {
      held_.push_back(std::move(done));
      return;
    }
    for (const PullSegmentRequest& wanted : request.segments) {
      PullSegment segment{wanted.partition, PullResult::kValues, term_, 0, {}};
      const auto part = parts_.find(wanted.partition);
      if (part == parts_.end() || wanted.term != term_) {
        segment.result = PullResult::kWrongPlacement;
      } else {
        segment.updates = part->second.updates;
        segment.values = Payload::Of(part->second.values);
      }
      reply.segments.push_back(std::move(segment));
    }
  }
  done(std::move(reply));
}

bool FakePs::Full(ItemId item) const {
  MutexLock lock(&mu_);
  return std::all_of(parts_.begin(), parts_.end(), [&](const auto& part) {
    const auto mark = part.second.marks.find(item);
    return mark != part.second.marks.end() &&
           mark->second == record_->plan.ItemSize(item);
  });
}

bool FakePs::Full() const {
  for (int64_t i = 0; i < record_->plan.items(); ++i) {
    if (!Full(record_->plan.ItemAt(i))) return false;
  }
  return true;
}

LedgerRow FakePs::Total(PartitionId p) const {
  MutexLock lock(&mu_);
  return parts_.at(p).total;
}

float FakePs::Value(PartitionId p) const {
  MutexLock lock(&mu_);
  const std::vector<float>& values = parts_.at(p).values;
  const bool equal =
      !values.empty() &&
      std::all_of(values.begin(), values.end(),
                  [&](float value) { return value == values.front(); });
  return equal ? values.front() : std::numeric_limits<float>::quiet_NaN();
}

// --- FakeCluster -------------------------------------------------------------

class FakeCluster::Link : public rpc::WorkerLinkHandler {
 public:
  Link(FakeCluster* cluster, std::shared_ptr<rpc::WorkerLink> link)
      : cluster_(cluster), link_(std::move(link)) {}
  void OnMessage(WorkerToScheduler message) override {
    cluster_->OnMessage(link_.get(), std::move(message));
  }
  void OnClosed(absl::Status status) override {
    MutexLock lock(&cluster_->mu_);
    cluster_->wants_.erase(link_.get());
  }

 private:
  FakeCluster* const cluster_;  // Not owned.
  const std::shared_ptr<rpc::WorkerLink> link_;
};

FakeCluster::FakeCluster(rpc::InProcessTransport* transport,
                         JobRecordPtr record, int32_t servers)
    : transport_(transport), record_(std::move(record)) {
  {
    MutexLock lock(&mu_);
    for (int32_t i = 0; i < servers; ++i) servers_[ServerId(i)];
    for (int32_t i = 0; i < servers; ++i) StartServerLocked(ServerId(i));
    for (int64_t i = 0; i < record_->plan.items(); ++i) {
      open_.insert(record_->plan.ItemAt(i));
    }
  }
  StartScheduler();
}

FakeCluster::~FakeCluster() {
  listener_.reset();
  std::map<ServerId, Server> servers;
  {
    MutexLock lock(&mu_);
    servers = std::move(servers_);
  }
  for (auto& [id, server] : servers) server.listener.reset();
}

void FakeCluster::StartServerLocked(ServerId id) {
  std::vector<PartitionId> partitions;
  for (int32_t p = 0; p < record_->plan.partitions; ++p) {
    if (p % static_cast<int32_t>(servers_.size()) == id.value()) {
      partitions.emplace_back(p);
    }
  }
  ++lives_;
  Server& server = servers_[id];
  server.address = absl::StrCat("ps-", id.value(), "-", lives_);
  server.ps = std::make_shared<FakePs>(id, SessionId(1000 + lives_),
                                       Term(lives_), record_, partitions);
  auto listener =
      transport_->ListenPs(server.address, {.data = server.ps.get()});
  server.listener = *std::move(listener);
}

void FakeCluster::RestartServer(ServerId id) {
  Server old;
  {
    MutexLock lock(&mu_);
    transport_->Unplug(servers_[id].address);
    old = std::move(servers_[id]);
    StartServerLocked(id);
    ReopenLocked();
  }
  old.listener.reset();
}

void FakeCluster::ReopenLocked() {
  for (int64_t i = 0; i < record_->plan.items(); ++i) {
    const ItemId item = record_->plan.ItemAt(i);
    if (!leased_.contains(item) && !FullLocked(item)) open_.insert(item);
  }
}

bool FakeCluster::FullLocked(ItemId item) const {
  return std::all_of(servers_.begin(), servers_.end(), [&](const auto& server) {
    return server.second.ps->Full(item);
  });
}

void FakeCluster::StopScheduler() {
  transport_->Unplug(address());
  listener_.reset();
}

void FakeCluster::StartScheduler() {
  {
    MutexLock lock(&mu_);
    leased_.clear();
  }
  listener_ = *transport_->ListenScheduler(address(), {.sessions = this});
}

void FakeCluster::OfferEvaluation() {
  MutexLock lock(&mu_);
  evaluation_ = true;
}

std::unique_ptr<rpc::WorkerLinkHandler> FakeCluster::OnWorkerConnected(
    std::shared_ptr<rpc::WorkerLink> link) {
  return std::make_unique<Link>(this, std::move(link));
}

Placement FakeCluster::PlacementLocked() const {
  Placement placement;
  placement.job = record_->id;
  placement.generation = Generation(1);
  for (int32_t p = 0; p < record_->plan.partitions; ++p) {
    const ServerId id(p % static_cast<int32_t>(servers_.size()));
    const FakePs& ps = *servers_.at(id).ps;
    placement.partitions.push_back(
        {PartitionId(p), id, ps.session(), ps.term()});
  }
  for (const auto& [id, server] : servers_) {
    placement.servers.push_back({id, server.address});
  }
  return placement;
}

void FakeCluster::OnMessage(rpc::WorkerLink* link, WorkerToScheduler message) {
  std::vector<SchedulerToWorker> answers;
  {
    MutexLock lock(&mu_);
    if (const auto* ask = std::get_if<LeaseRequest>(&message)) {
      wants_[link] = ask->items;
    } else if (std::get_if<PlacementRequest>(&message) != nullptr) {
      answers.push_back(PlacementLocked());
    } else if (const auto* end = std::get_if<ItemEnd>(&message)) {
      leased_.erase(end->item);
      if (!FullLocked(end->item)) open_.insert(end->item);
    } else if (const auto* worker = std::get_if<RegisterWorker>(&message)) {
      for (const HeldItem& held : worker->held) {
        leased_.insert(held.item);
        open_.erase(held.item);
      }
      // Items that it finished while no worker listened.
      ReopenLocked();
    }
    if (evaluation_ && wants_[link] > 0) {
      evaluation_ = false;
      answers.push_back(EvaluationLease{record_, Generation(1), 1, 0});
    }
    for (int32_t& want = wants_[link]; want > 0 && !open_.empty(); --want) {
      const ItemId item = *open_.begin();
      open_.erase(open_.begin());
      leased_.insert(item);
      Lease lease;
      lease.record = record_;
      lease.generation = Generation(1);
      lease.item = item;
      lease.ttl = absl::Seconds(3);
      answers.push_back(std::move(lease));
    }
    messages_.push_back(std::move(message));
    changed_.SignalAll();
  }
  for (SchedulerToWorker& answer : answers) link->Send(std::move(answer));
}

bool FakeCluster::WaitComplete(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  MutexLock lock(&mu_);
  for (;;) {
    const bool full = std::all_of(
        servers_.begin(), servers_.end(),
        [](const auto& server) { return server.second.ps->Full(); });
    if (full && open_.empty() && leased_.empty()) return true;
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mu_, left);
  }
}

FakePs& FakeCluster::server(int32_t id) {
  MutexLock lock(&mu_);
  return *servers_.at(ServerId(id)).ps;
}

}  // namespace ebb::client
