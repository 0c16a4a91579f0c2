#include "rpc/transport_contract.h"

#include <memory>
#include <utility>
#include <vector>

namespace ebb::rpc {

void EchoPs::Push(PushRequest request, PushDone done) {
  PushReply reply;
  reply.job = request.job;
  reply.item = request.item;
  for (const PushSegment& segment : request.segments) {
    reply.segments.push_back(
        {segment.partition, Verdict::kApplied, request.end, segment.term});
  }
  {
    MutexLock lock(&mu_);
    kept_ = std::move(request.segments);
  }
  done(std::move(reply));
}

void EchoPs::Pull(PullRequest request, PullDone done) {
  PullReply reply;
  reply.job = request.job;
  reply.request = request.request;
  for (const PullSegmentRequest& wanted : request.segments) {
    PullSegment& segment = reply.segments.emplace_back();
    segment.partition = wanted.partition;
    segment.result = PullResult::kWrongPlacement;
    MutexLock lock(&mu_);
    for (const PushSegment& kept : kept_) {
      if (kept.partition != wanted.partition) continue;
      segment.result = PullResult::kValues;
      segment.values = kept.gradient;
    }
  }
  done(std::move(reply));
}

void EchoPs::Fetch(FetchRequest request, FetchDone done) {
  FetchReply reply;
  reply.result = FetchResult::kNotHere;
  {
    MutexLock lock(&mu_);
    for (const PushSegment& kept : kept_) {
      if (kept.partition != request.partition) continue;
      reply.result = FetchResult::kOk;
      reply.values = kept.gradient;
    }
  }
  done(std::move(reply));
}

namespace {

// Owned by the transport; the test keeps the other reference.
template <typename In>
class Forwarding : public SessionHandler<In> {
 public:
  explicit Forwarding(std::shared_ptr<Keeping<In>> to) : to_(std::move(to)) {}
  void OnMessage(In message) override { to_->OnMessage(std::move(message)); }
  void OnClosed(absl::Status status) override {
    to_->OnClosed(std::move(status));
  }

 private:
  const std::shared_ptr<Keeping<In>> to_;
};

}  // namespace

std::unique_ptr<WorkerLinkHandler> KeepingScheduler::OnWorkerConnected(
    std::shared_ptr<WorkerLink> link) {
  if (refuse) return nullptr;
  auto arrived = std::make_shared<Keeping<WorkerToScheduler>>();
  arrived->on_message = on_worker_message;
  workers.Add({std::move(link), arrived});
  return std::make_unique<Forwarding<WorkerToScheduler>>(arrived);
}

std::unique_ptr<ServerLinkHandler> KeepingScheduler::OnServerConnected(
    std::shared_ptr<ServerLink> link) {
  if (refuse) return nullptr;
  auto arrived = std::make_shared<Keeping<ServerToScheduler>>();
  servers.Add({std::move(link), arrived});
  return std::make_unique<Forwarding<ServerToScheduler>>(arrived);
}

PushRequest MakePush(int partition, std::vector<float> gradient) {
  PushRequest request;
  request.job = JobId(7);
  request.generation = Generation(8);
  request.stamp.worker = SessionId(9);
  request.item = {1, 2};
  request.end = 32;
  request.segments.resize(1);
  request.segments[0].partition = PartitionId(partition);
  request.segments[0].term = Term(10);
  request.segments[0].gradient = Payload::Of(std::move(gradient));
  return request;
}

PullRequest MakePull(int partition) {
  PullRequest request;
  request.job = JobId(7);
  request.stamp.worker = SessionId(9);
  request.segments = {{PartitionId(partition), Term(10)}};
  return request;
}

FetchRequest MakeFetch(int partition) {
  return {.job = JobId(7),
          .generation = Generation(8),
          .partition = PartitionId(partition),
          .source = SessionId(9),
          .term = Term(10),
          .new_term = Term(11)};
}

}  // namespace ebb::rpc
