// A worker's decisions: which batch next, what to pull, where to push, what a
// reply means. The daemon ebb-worker, the client library and the simulator run
// this same class round their own mathematics.
//
//   lease ──> prepare ──> pull ──> compute ──> push ──> acknowledged ──> done
//               (once)     ^  └── the next pull overlaps ──┘   |
//                          └──── a refusal steps back ─────────┘
//
// Messages and time in, actions out; no thread, socket, clock or disk inside.
// It has no state worth saving: whoever gets a lease next starts at a hint, and
// the first replies correct it (docs/protocol.md, "A worker").
//
// Thread-compatible: the shell holds one lock around it.
#ifndef EBB_CLIENT_TRAINING_CORE_H_
#define EBB_CLIENT_TRAINING_CORE_H_

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/item_progress.h"
#include "client/puller.h"
#include "client/routes.h"
#include "common/ids.h"
#include "common/protocol/messages.h"

namespace ebb::client {

class TrainingCore {
 public:
  explicit TrainingCore(ClientOptions options);

  // --- The session with the scheduler ----------------------------------------
  void OnSchedulerConnected(absl::Time now, ClientActions* out);
  void OnSchedulerDisconnected();
  void OnScheduler(SchedulerToWorker message, absl::Time now,
                   ClientActions* out);

  // --- Answers to the actions ------------------------------------------------
  void OnPushReply(const PushId& id, const PushReply& reply, absl::Time now,
                   ClientActions* out);
  void OnPushFailed(const PushId& id, absl::Time now, ClientActions* out);
  void OnPullReply(const PullId& id, PullReply reply, absl::Time now,
                   ClientActions* out);
  void OnPullFailed(const PullId& id, absl::Time now, ClientActions* out);
  void OnJobReady(JobId job, const absl::Status& status, absl::Time now,
                  ClientActions* out);
  void OnComputed(ComputeResult result, absl::Time now, ClientActions* out);
  void OnEvaluated(const EvaluationResult& result, absl::Time now,
                   ClientActions* out);

  // Call at NextTick() or later.
  void OnTick(absl::Time now, ClientActions* out);
  absl::Time NextTick() const;

  // Leaves in good order: no new batch; what is computed is delivered, items
  // go back. Drained() becomes true when nothing is left to do.
  void Drain(absl::Time now, ClientActions* out);
  bool Drained() const { return drained_; }

  // --- What it is ------------------------------------------------------------
  bool computing() const { return computing_.has_value() || evaluating_; }
  int64_t batches_computed() const { return batches_computed_; }
  int64_t examples_computed() const { return examples_computed_; }
  int64_t clock(JobId job) const;
  std::vector<ItemId> held(JobId job) const;

 private:
  struct Held {
    ItemProgress progress;
    std::vector<SkippedRange> skipped;
  };

  // A batch whose pushes are not all answered.
  struct Batch {
    ItemId item;
    int64_t begin = 0;
    int64_t end = 0;
    int32_t unanswered = 0;
    bool refused = false;
  };
  using BatchPtr = std::shared_ptr<Batch>;

  struct InFlight {
    BatchPtr batch;
    std::vector<std::pair<PartitionId, Term>> segments;
  };

  // What this worker does for one job.
  struct Work {
    explicit Work(JobRecordPtr job, int32_t partitions)
        : record(std::move(job)), routes(partitions), puller(partitions) {}

    JobRecordPtr record;
    Generation generation;
    bool preparing = false;
    bool ready = false;
    Routes routes;
    std::list<Held> held;  // In the order of the items.
    Puller puller;
    PulledValuesPtr values;  // Pulled, not yet used.
    ViewNumber joined;
    int64_t clock = 0;
    std::map<PushId, InFlight> in_flight;
    std::list<BatchPtr> batches;  // Not fully answered.
    absl::Time advanced = absl::InfinitePast();
    absl::Time next_progress = absl::InfinitePast();
    absl::Time next_clock = absl::InfinitePast();
    absl::Time next_placement = absl::InfinitePast();
    absl::Time pull_not_before = absl::InfinitePast();
    absl::Duration ttl = absl::Seconds(3);
    bool parked = false;
  };

  struct Computing {
    JobId job;
    Generation generation;
    ItemId item;
    int64_t begin = 0;
    int64_t end = 0;
    PulledValuesPtr values;
    absl::Time since;
  };

  void Handle(Lease lease, absl::Time now, ClientActions* out);
  void Handle(EvaluationLease lease, absl::Time now, ClientActions* out);
  void Handle(const LeaseLost& lost, absl::Time now, ClientActions* out);
  void Handle(const Placement& placement, absl::Time now, ClientActions* out);

  Work* Find(JobId job);
  Work& WorkFor(const JobRecordPtr& record, Generation generation,
                ClientActions* out);
  static Held* FindHeld(Work* work, ItemId item);
  WorkerStamp StampOf(const Work& work) const;
  bool ComputingFor(const Work& work) const;

  // After every event: whatever can be done next.
  void Advance(absl::Time now, ClientActions* out);
  void AdvanceWork(Work* work, absl::Time now, ClientActions* out);
  void AskForLeases(ClientActions* out);
  // The held item with something left to compute, and where.
  Held* NextBatch(Work* work, int64_t* begin);
  static bool Reachable(Work* work, const Held& held, int64_t begin,
                        absl::Time now);
  void StartCompute(Work* work, Held* held, int64_t begin, absl::Time now,
                    ClientActions* out);
  // False: nobody is known to push to.
  bool PushSkipped(Work* work, Held* held, int64_t begin, ClientActions* out);
  bool PushBatch(Work* work, Held* held, int64_t begin, int64_t end,
                 const ComputeResult& result, const PulledValues* values,
                 bool skip, ClientActions* out);
  void MaybePull(Work* work, absl::Time now);
  void AfterPull(Work* work, absl::Time now, ClientActions* out);
  // What was pulled for a lease, or in a view, is nothing to the next.
  static void ForgetPulled(Work* work);
  void Judge(Work* work, const InFlight& push, const PushReply& reply,
             absl::Time now, ClientActions* out);
  // One segment of the batch is answered (or given up).
  void Settle(Work* work, const BatchPtr& batch, bool refused);
  // What is under way to the server is lost: its partitions step back.
  void StepBackServer(Work* work, ServerId server);
  void BreakServer(Work* work, ServerId server, absl::Time now,
                   ClientActions* out);
  void AskForPlacement(Work* work, absl::Time now, ClientActions* out);
  void EndItem(Work* work, ItemId item, LeaseEnd end, ClientActions* out,
               const ComputeResult* failed = nullptr, int64_t begin = 0,
               int64_t stop = 0);
  void DropGeneration(Work* work, Generation generation, ClientActions* out);
  void SendClocks(Work* work, absl::Time now, ClientActions* out);
  void SendProgress(Work* work, absl::Time now, bool not_in_view,
                    ClientActions* out);
  void AdvanceEvaluation(absl::Time now, ClientActions* out);
  void SayLeaving(ClientActions* out);
  void FinishDrain(ClientActions* out);

  const ClientOptions options_;
  bool connected_ = false;
  bool draining_ = false;
  bool drained_ = false;
  int32_t asked_for_ = 0;  // Items in the last LeaseRequest, not yet leased.

  std::map<JobId, Work> works_;
  std::optional<Computing> computing_;

  struct PendingEvaluation {
    EvaluationLease lease;
    Puller puller;
    bool computing = false;
  };
  std::optional<PendingEvaluation> evaluation_;
  bool evaluating_ = false;

  int64_t next_request_ = 1;
  int64_t batches_computed_ = 0;
  int64_t examples_computed_ = 0;
  absl::Duration typical_batch_ = absl::ZeroDuration();
  absl::Time last_event_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_TRAINING_CORE_H_
