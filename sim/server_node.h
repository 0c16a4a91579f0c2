// A parameter server's process: a ServerCore over a disk.
#ifndef EBB_SIM_SERVER_NODE_H_
#define EBB_SIM_SERVER_NODE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "protocol/messages.h"
#include "server/server_core.h"
#include "server/store/memory_store.h"
#include "sim/bucket.h"
#include "sim/call.h"
#include "sim/checker.h"
#include "sim/node.h"
#include "sim/stepped_call.h"

namespace ebb::sim {

class ServerNode final : public ClientNode {
 public:
  // `place` tells the processes apart, also those that have one id.
  ServerNode(World* world, ServerId id, int place);
  ~ServerNode() override;

  // The versions that can be rolled back to, kept this long; none: it is dead.
  std::vector<RoundVersion> KeepVersions(absl::Duration time);
  ServerId id() const { return id_; }
  size_t place() const { return place_; }
  SessionId session() const { return session_; }
  // Null while it is dead.
  const server::ServerCore* core() const { return core_.get(); }
  // Null when it is dead or does not know the job.
  const server::HostedJob* job() const;
  // The factor with which the job's present rule was made.
  double rate_factor() const { return rate_factor_; }
  server::MemoryDisk& disk() { return disk_; }
  const server::MemoryDisk& disk() const { return disk_; }

  // From the scheduler, already in the order of the session.
  void FromScheduler(const SchedulerToServer& message);
  void Push(const CallPtr& call, PushRequest request);
  void Pull(const CallPtr& call, PullRequest request);
  void Clock(const ClockUpdate& update);
  // From another server; and what became of it there.
  void Fetch(const FetchCallPtr& call);
  void Fetched(const FetchCallPtr& call, absl::StatusOr<FetchReply> reply);

  // SIGTERM: hands its partitions over, stores the rest, leaves.
  void Drain();

  void RememberDisk() { older_disks_.push_back(disk_); }
  const std::vector<server::MemoryDisk>& older_disks() const {
    return older_disks_;
  }
  void ReplaceDisk(server::MemoryDisk disk) { disk_ = std::move(disk); }
  // The newest view that this life was told of.
  const ViewUpdate& view() const { return view_; }
  size_t unanswered() const { return tokens_.size(); }

 protected:
  bool IsServer() const override { return true; }
  void OnStart() override;
  void OnKilled() override;
  void OnTick() override;
  absl::Time NextTick() const override;
  void OnConnected() override;
  void OnDisconnected() override;

 private:
  void SendFetch(server::FetchTask task);
  void Answer(server::ReplyFetch action);
  void FetchInitial(server::FetchInitialValues task);
  // Returns the values that the scheduler has now.
  absl::StatusOr<server::InitialPartition> InitialValues(
      const server::FetchInitialValues& task);
  // The weights of the file, which its slot is equal to.
  static absl::StatusOr<server::Blocks> InitialArray(
      const server::DenseShape& shape);
  // The rows of the file, by table.
  absl::StatusOr<std::vector<std::unique_ptr<server::RowTable>>> InitialRows(
      const server::FetchInitialValues& task);
  // The facts about a call until it is answered.
  struct Token {
    CallPtr call;
    PullRequest pull;  // Without values; of pulls.
    SessionId worker;  // The worker of a push.
  };

  void Carry(server::ServerActions actions);
  void Answer(server::ReplyPush action);
  void Answer(server::ReplyPull action);
  void SendScheduler(const ServerToScheduler& message);
  // Under which it is served now.
  Term TermOf(const server::Partition& partition) const;
  void RunUpdate(server::UpdateTask task);
  void UpdateDone(server::UpdateTask task, Term begun_in);
  // Of an update that the core asks about: done within this event?
  bool AtOnce(const server::UpdateTask& task);
  // Tells the checker what this event has applied so far.
  void TellApplied();
  // Null: the shared place cannot be opened.
  std::unique_ptr<server::SharedCheckpointStore> OpenShared();
  void NextStorage();
  void BeginStorage();
  void StepStorage();
  void EndStorage(bool done);
  // Its process is killed.
  void AbortStorage();
  bool Killed() const { return requests_ != nullptr && requests_->killed(); }
  // False: it failed and is tried again.
  bool Store(server::ServerAction* action);

  const ServerId id_;
  const size_t place_;
  server::MemoryDisk disk_;
  std::vector<server::MemoryDisk> older_disks_;

  int life_ = 0;  // The next.
  // The state of one life.
  SessionId session_;
  std::unique_ptr<BucketRequests> requests_;  // Null: not to a bucket.
  std::unique_ptr<server::CheckpointStore> store_;
  std::shared_ptr<server::BlockPool> pool_;
  std::unique_ptr<server::ServerCore> core_;
  double rate_factor_ = 1;
  uint64_t next_token_ = 1;
  std::map<uint64_t, Token> tokens_;
  std::map<uint64_t, FetchCallPtr> fetches_;  // By token.
  absl::Time leave_until_ = absl::InfiniteFuture();
  // For the event that the core handles.
  bool may_apply_ = false;
  std::vector<Checker::Commit> applied_;  // Not told yet.
  std::deque<server::ServerAction> storage_;
  bool storing_ = false;
  server::ServerAction stored_now_;
  std::unique_ptr<SteppedCall> storage_call_;  // It runs a step at a time.
  bool storage_done_ = false;                  // Set by the call.
  ViewUpdate view_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_SERVER_NODE_H_
