// A worker's process: a TrainingCore round the simulated mathematics.
#ifndef EBB_SIM_WORKER_NODE_H_
#define EBB_SIM_WORKER_NODE_H_

#include <cstdint>
#include <deque>
#include <list>
#include <memory>

#include "client/gradient_filter.h"
#include "client/local_training.h"
#include "client/trained_gradient.h"
#include "client/training_core.h"
#include "protocol/messages.h"
#include "sim/call.h"
#include "sim/node.h"

namespace ebb::sim {

class WorkerNode final : public ClientNode {
 public:
  WorkerNode(World* world, int index);
  ~WorkerNode() override;

  SessionId session() const { return session_; }
  // Null while it is dead.
  const client::TrainingCore* core() const { return core_.get(); }

  void FromScheduler(SchedulerToWorker message);
  // The ends of its calls.
  void PushReplied(const CallPtr& call, PushReply reply);
  void PullReplied(const CallPtr& call, PullReply reply);
  // The server died under it: the worker hears at once, or never.
  void CallBroken(const CallPtr& call);

  // The examples that it has computed of the present batch.
  double Underway() const;

  // SIGTERM. It is gone when it has delivered what it computed.
  void Drain();
  // The same, while it computes a batch that does not end its push.
  void DrainInAPush() { drains_in_a_push_ = true; }
  // It does not come back: it drained, or died for good.
  bool retired = false;

 protected:
  bool IsServer() const override { return false; }
  void OnStart() override;
  void OnKilled() override;
  void OnTick() override;
  absl::Time NextTick() const override;
  void OnConnected() override;
  void OnDisconnected() override;

 private:
  void Carry(client::ClientActions actions);
  void CountLocalSteps();
  void SendScheduler(const WorkerToScheduler& message);
  void SendPush(client::SendPush action);
  void SendPull(client::SendPull action);
  void SendClock(const client::SendClock& action);
  void FindRows(client::FindRows batch);
  template <typename Batch>
  std::vector<std::vector<PushRows>> RowsOf(const JobPlan& plan,
                                            const Batch& batch);
  void Compute(const client::ComputeTask& task);
  // Answers a look for data, unless another took its place.
  void Look(JobId job, int64_t known, absl::Time until, int64_t number);
  void Evaluate(const client::EvaluateTask& task);
  // Gathers the examples of the batch from the windows in memory, as a worker
  // with a packed set does.
  void Gather(const client::ComputeTask& task);
  client::ComputeResult ResultOf(const client::ComputeTask& task);
  // The sums of the batch alone.
  client::ComputeResult SumsOf(const client::ComputeTask& task);
  CallPtr NewCall(std::variant<client::PushId, client::PullId> id,
                  absl::Duration timeout);
  void Fail(const CallPtr& call);
  void WatchDeadlines(std::deque<CallPtr>* calls);

  // A window in memory: what it is taken for, and what it is.
  struct Window {
    int64_t number = 0;
    int64_t content = 0;
    int32_t epoch = 0;  // For which it was used last.
  };

  const bool slow_;            // In all its lives.
  std::list<Window> windows_;  // Used last first.
  SessionId session_;
  std::unique_ptr<client::TrainingCore> core_;
  std::unique_ptr<client::LocalTraining> local_training_;
  std::unique_ptr<client::TrainedGradient> trained_gradient_;
  std::unique_ptr<client::GradientFilter> filter_;
  // The calls of one life, each kind in the order of the deadlines.
  std::deque<CallPtr> pushes_;
  std::deque<CallPtr> pulls_;
  bool watching_pushes_ = false;
  bool watching_pulls_ = false;
  bool computing_ = false;
  int64_t looks_ = 0;  // Looks for data that it was asked for.
  bool drains_in_a_push_ = false;
  // The batch in work: its examples, since when, for how long.
  int64_t batch_ = 0;
  absl::Time batch_begun_;
  client::PulledValuesPtr last_values_;  // Computed from.
  absl::Duration batch_takes_;
  client::LocalSteps counted_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_WORKER_NODE_H_
