// A scheduler and servers just big enough to drive a client's shell: they
// lease items, judge pushes by marks and sum gradients, and can be taken away.
#ifndef EBB_CLIENT_TESTING_FAKE_CLUSTER_H_
#define EBB_CLIENT_TESTING_FAKE_CLUSTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "protocol/messages.h"
#include "rpc/inprocess_transport.h"

namespace ebb::client {

// A job of `epochs` × `shards` items of ten examples, in batches of four.
JobRecordPtr FakeJob(int32_t epochs, int32_t shards, int64_t parameters,
                     int32_t partitions);

// One life of a server. Values start at 0 and are the sums of the gradients.
// Thread-safe.
class FakePs : public rpc::PsHandler {
 public:
  FakePs(ServerId id, SessionId session, Term term, JobRecordPtr record,
         std::vector<PartitionId> partitions);

  void Push(PushRequest request, PushDone done) override;
  void Pull(PullRequest request, PullDone done) override;
  void Clock(ClockUpdate update) override {}
  // None of its partitions ever moves.
  void Fetch(FetchRequest request, FetchDone done) override {
    done({.result = FetchResult::kNotHere});
  }

  // Pulls are kept without an answer from now on.
  void HoldPulls() {
    MutexLock lock(&mu_);
    holding_ = true;
  }
  // Every item of the job is full in every partition.
  bool Full() const;
  bool Full(ItemId item) const;
  // For the partition: the sum of its ledger, and the value of its parameters
  // if all are equal, else NaN.
  LedgerRow Total(PartitionId p) const;
  float Value(PartitionId p) const;
  // Pushed ranges that were not applied.
  int64_t refused() const {
    MutexLock lock(&mu_);
    return refused_;
  }

  ServerId id() const { return id_; }
  SessionId session() const { return session_; }
  Term term() const { return term_; }

 private:
  struct Part {
    std::map<ItemId, int64_t> marks;
    LedgerRow total;
    std::vector<float> values;
    int64_t updates = 0;
  };

  const ServerId id_;
  const SessionId session_;
  const Term term_;
  const JobRecordPtr record_;
  mutable Mutex mu_;
  std::map<PartitionId, Part> parts_ ABSL_GUARDED_BY(mu_);
  std::vector<PullDone> held_ ABSL_GUARDED_BY(mu_);
  bool holding_ ABSL_GUARDED_BY(mu_) = false;
  int64_t refused_ ABSL_GUARDED_BY(mu_) = 0;
};

// The cluster: "scheduler" and any number of servers, for one job. Thread-safe.
class FakeCluster : private rpc::SchedulerHandler {
 public:
  FakeCluster(rpc::InProcessTransport* transport, JobRecordPtr record,
              int32_t servers);
  ~FakeCluster() override;

  static std::string address() { return "scheduler"; }

  // Crashes it; then a new life remembers nothing, and listens elsewhere.
  void RestartServer(ServerId id);
  void StopScheduler();
  void StartScheduler();
  // Leases the evaluation of snapshot 1 to the next worker that asks for a
  // lease.
  void OfferEvaluation();

  // Waits until all items are full everywhere and a worker has said so. False:
  // not within `limit`.
  bool WaitComplete(absl::Duration limit);
  // Until a message of the kind has come; nullopt: not within `limit`.
  template <typename Message>
  std::optional<Message> WaitFor(
      absl::Duration limit,
      const std::function<bool(const Message&)>& fits = nullptr);

  FakePs& server(int32_t id);
  std::vector<WorkerToScheduler> messages() const {
    MutexLock lock(&mu_);
    return messages_;
  }

 private:
  class Link;
  struct Server {
    std::string address;
    std::shared_ptr<FakePs> ps;
    std::unique_ptr<rpc::Listener> listener;
  };

  std::unique_ptr<rpc::WorkerLinkHandler> OnWorkerConnected(
      std::shared_ptr<rpc::WorkerLink> link) override;
  std::unique_ptr<rpc::ServerLinkHandler> OnServerConnected(
      std::shared_ptr<rpc::ServerLink> link) override {
    return nullptr;
  }
  void OnMessage(rpc::WorkerLink* link, WorkerToScheduler message);
  void StartServerLocked(ServerId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool FullLocked(ItemId item) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Everything that is neither full nor leased is to be leased.
  void ReopenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Placement PlacementLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  rpc::InProcessTransport* const transport_;  // Not owned.
  const JobRecordPtr record_;

  mutable Mutex mu_;
  CondVar changed_;
  std::map<ServerId, Server> servers_ ABSL_GUARDED_BY(mu_);
  uint64_t lives_ ABSL_GUARDED_BY(mu_) = 0;
  std::set<ItemId> open_ ABSL_GUARDED_BY(mu_);
  std::set<ItemId> leased_ ABSL_GUARDED_BY(mu_);
  bool evaluation_ ABSL_GUARDED_BY(mu_) = false;
  std::map<rpc::WorkerLink*, int32_t> wants_ ABSL_GUARDED_BY(mu_);
  std::vector<WorkerToScheduler> messages_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<rpc::Listener> listener_;
};

template <typename Message>
std::optional<Message> FakeCluster::WaitFor(
    absl::Duration limit, const std::function<bool(const Message&)>& fits) {
  const absl::Time deadline = absl::Now() + limit;
  MutexLock lock(&mu_);
  for (;;) {
    for (const WorkerToScheduler& message : messages_) {
      const auto* typed = std::get_if<Message>(&message);
      if (typed != nullptr && (!fits || fits(*typed))) return *typed;
    }
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    changed_.WaitFor(&mu_, left);
  }
}

}  // namespace ebb::client

#endif  // EBB_CLIENT_TESTING_FAKE_CLUSTER_H_
