// A worker's part in one job: pulls values, has batches computed, pushes their
// sums, and takes each server's verdict.
//
//   lease ──> prepare ──> pull ──> compute ──> push ──> acknowledged ──> done
//               (once)     ^  └── the next pull overlaps ──┘   |
//                          └──── a refusal steps back ─────────┘
//
// Its parts decide: which items are held (leased_items.h), where the partitions
// are (routes.h), what to pull (puller.h) and to push (pusher.h). After any
// event, and after another job's or an evaluation's computation ended,
// Advance() does all that is possible next.
//
// Thread-compatible.
#ifndef EBB_CLIENT_JOB_WORK_H_
#define EBB_CLIENT_JOB_WORK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/computation.h"
#include "client/job_limits.h"
#include "client/leased_items.h"
#include "client/pipeline_depth.h"
#include "client/puller.h"
#include "client/pusher.h"
#include "client/routes.h"
#include "client/row_finder.h"
#include "client/worker_state.h"
#include "common/ids.h"
#include "common/rare_telling.h"
#include "protocol/messages.h"

namespace ebb::client {

class JobWork {
 public:
  // `worker` is not owned and outlives this.
  JobWork(JobRecordPtr record, Generation generation, WorkerState* worker);

  // --- What comes from the scheduler -----------------------------------------
  // Its latest word on the generation holds, also one older than we know: a
  // scheduler with an older store may have forgotten a rollback that no server
  // heard of.
  //
  // Goes over to the generation, and has the job prepared where that is neither
  // done nor under way.
  // The record is as the scheduler last said: a change of the job comes with a
  // newer generation, and its plan may follow the one before (MayFollow).
  void Begin(const JobRecordPtr& record, Generation generation,
             ClientActions* out);
  // The lease must be of the present generation.
  void Take(Lease lease, absl::Time now);
  void Lose(const LeaseLost& lost);
  void Place(const Placement& placement, ClientActions* out);

  // --- Answers to the actions ------------------------------------------------
  // Unavailable: the load is tried again after a pause, some times.
  void OnJobReady(absl::Status status, absl::Time now, ClientActions* out);
  // The rows of the batch of this job's last FindRows; or why they cannot be
  // found.
  void OnRowsFound(const FindRows& batch, absl::StatusOr<BatchRowsPtr> rows,
                   absl::Time now, ClientActions* out);
  // A batch of this job was given up.
  void OnCancelled() { gathered_.reset(); }
  // `batch` was under way, of this job.
  void OnComputed(const Computation::Batch& batch, const ComputeResult& result,
                  absl::Time now, ClientActions* out);
  // False: the push was not awaited, and nothing was done.
  bool OnPushReply(const PushId& id, const PushReply& reply, absl::Time now,
                   ClientActions* out);
  bool OnPushFailed(const PushId& id, const CallFailure& why, absl::Time now,
                    ClientActions* out);
  bool OnPushRefused(const PushId& id, absl::Time now);
  bool OnPushOverLimit(const PushId& id, const absl::Status& why,
                       ClientActions* out);
  void OnPullOverLimit(const PullId& id, const absl::Status& why,
                       ClientActions* out);
  void OnPullReply(const PullId& id, PullReply reply, absl::Time now);
  void OnPullFailed(const PullId& id, const CallFailure& why, absl::Time now,
                    ClientActions* out);
  // True: the pull was awaited.
  bool OnPullRefused(const PullId& id) {
    return TakeProbe(id) || puller_.Failed(id);
  }

  // --- Going on --------------------------------------------------------------
  // Pushes computed batches, and does all that is possible next.
  void Advance(absl::Time now, ClientActions* out);
  // Renews the leases and repeats the clock where that is due.
  void OnTick(absl::Time now, ClientActions* out);
  // When OnTick or Advance is wanted, if the last Advance was at `last`.
  absl::Time NextTick(absl::Time last) const;
  // Something of this job advanced, as far as its leases are concerned.
  void Advanced(absl::Time now) { items_.Advanced(now); }
  // No push is on its way.
  bool delivered() const { return pusher_.idle(); }
  // A part of a gradient waits for the next batch of its item, and is lost if
  // there is none.
  bool LeavesSomething() const;
  // Gives all items back.
  void ReturnItems(ClientActions* out);

  // --- For an evaluation of the same job (evaluation_work.h) -----------------
  // Or it waits to be loaded again.
  bool loading() const {
    return preparing_ || load_again_ < absl::InfiniteFuture();
  }
  bool ready() const { return ready_; }
  // The limits on work under way that follow from the memory.
  JobLimits limits() const;
  // Values were pulled, or are being pulled, for a batch.
  bool holds_values() const {
    return values_ != nullptr || puller_.active() || computing() != nullptr;
  }
  Routes* routes() { return &routes_; }
  WorkerStamp stamp() const;
  void AskForPlacement(absl::Time now, ClientActions* out);
  // The stream to the server broke: pushes that were sent on it may be lost,
  // too.
  void BreakServer(ServerId server, const CallFailure& why, absl::Time now,
                   ClientActions* out);
  // It had no room for a call.
  void LacksRoom(ServerId server, absl::Time now);

  // --- Servers that it does not reach (job_work_reach.cc) -------------------
  // Those that have not answered for a while, and why.
  std::vector<PeerTrouble> Unreached(absl::Time now) const;
  // Reports to the scheduler end with its session.
  void ForgetTold() { told_unreached_.clear(); }
  // The scheduler hears no more of them from this worker, which forgets the
  // job.
  void SayForgotten(ClientActions* out);

  // Nothing is held, on its way or computed: it can be forgotten. The caller
  // that forgets it raises WorkerState::first_incarnation to
  // unused_incarnation(). Otherwise the servers would take later pushes for
  // earlier ones.
  bool idle() const;
  int64_t unused_incarnation() const { return routes_.unused_incarnation(); }

  // --- What it is ------------------------------------------------------------
  const JobRecord& record() const { return *record_; }
  Generation generation() const { return generation_; }
  int64_t clock() const { return pusher_.clock(); }
  // Others may wait for its clock, or the job has no clocks.
  bool in_view() const {
    return !record_->plan.clocked() || joined_ != ViewNumber();
  }
  bool Holds(ItemId item) { return items_.Find(item) != nullptr; }
  const LeasedItems& items() const { return items_; }

 private:
  static constexpr absl::Duration kPlacementPause = absl::Milliseconds(50);

  // Ends, pulls and computes what can be.
  void Proceed(absl::Time now, ClientActions* out);
  // Values for the next batch.
  void MaybePull(absl::Time now, ClientActions* out);
  // The values from which it computes next: those of a round, and with sparse
  // tables with its rows.
  struct Wanted {
    int64_t round = -1;
    std::optional<FindRows> batch;  // Absent: it pulls no rows.
  };
  Wanted WantedFor(const LeasedItem* held, int64_t begin) const;
  static bool Serves(const PulledValues& values, const Wanted& wanted);
  void EndPull(absl::Time now, ClientActions* out);
  // The pull ended without values.
  void EndClosedRound(ClientActions* out);
  void EndPullOfOtherGeneration(absl::Time now, ClientActions* out);
  void EndInvalidPull(ClientActions* out);
  // Values pulled for a lease, or in a view, are not valid in the next.
  void ForgetPulled();
  // Tells the computer which values the next batch will be computed from.
  void TellNext(ClientActions* out);
  // The next batch is to be computed from newer ones.
  void DropValues() {
    values_.reset();
    used_.reset();
    last_.reset();
  }

  // The next batch, to be computed or passed over. False: there is none, or a
  // server is awaited.
  bool StartBatches(absl::Time now, ClientActions* out);
  bool Reachable(const LeasedItem& held, int64_t begin, absl::Time now) const;
  // Computes the next batch of the push that begins at `begin`.
  void Compute(const LeasedItem& held, int64_t begin, absl::Time now,
               ClientActions* out);
  // Returns where the push from `begin` on ends: before a range to skip.
  int64_t PushEnd(const LeasedItem& held, int64_t begin) const;
  // Whether the batch at `from` continues those computed from the last pull.
  bool GoesOnAt(ItemId item, int64_t from) const;
  // A batch is computed from them.
  void Used(const PulledValuesPtr& values);
  // False: no server is known for it.
  bool PushSkipped(LeasedItem* held, int64_t begin);
  bool Push(LeasedItem* held, const LeasedItems::Run& run,
            const ComputeResult& result, const PulledValues* values, bool skip);
  // It goes on with what it has while servers are away.
  bool GoesOn() const { return limits().goes_on; }
  Pusher::Order OrderFor(const LeasedItems::Run& run,
                         const ComputeResult& result,
                         const PulledValues* values, bool skip) const;

  // While servers are away (job_work_local.cc).
  // Whether the batch that begins there can be kept for the partition.
  bool CanKeep(const LeasedItem& held, PartitionId p, int64_t begin) const;
  // Keeps the batch for the partitions that are away.
  void Keep(LeasedItem* held, const Pusher::Order& batch, ClientActions* out);
  // Pushes the kept shares to servers that answer; with `try_all` also to the
  // others, if only this shows whether they answer again.
  void SendShares(bool try_all, absl::Time now);
  void SendShares(LeasedItem* held, bool try_all, absl::Time now);
  void ShareJudged(const Pusher::Push& push, const PushReply& reply,
                   ClientActions* out);

  // The batch of this job that is being computed; null: none.
  const Computation::Batch* computing() const;
  // The round of the item; -1: the job has none, or there is no item.
  int64_t RoundOf(const LeasedItem* held) const;

  // A server's verdicts.
  //
  // Leaves in the push the part to be sent again.
  void Judge(Pusher::Push* push, const PushReply& reply, absl::Time now,
             ClientActions* out);
  // How the verdict ends the item's lease; nothing: it does not.
  std::optional<LeaseEnd> JudgeSegment(LeasedItem* held, PartitionId p,
                                       Term term,
                                       const PushSegmentReply& answer,
                                       absl::Time now, ClientActions* out);
  // The server answers. If it was away, pulled values may be too old.
  void ForgetOldValues(ServerId server);
  // Pushes under way to the server are lost: its partitions step back.
  void StepBackServer(ServerId server);
  // The pushes to the server are kept until they are answered. A worker that is
  // leaving does not wait for room.
  bool SendsAgain(ServerId server) const {
    return routes_.server(server).short_of_room && !worker_->draining;
  }
  // The server had no room for the rest of the push.
  void SendAgain(const PushId& id, Pusher::Push left);
  // Drops what it holds of the generation before.
  void GoOver(Generation generation, ClientActions* out);

  // While servers do not answer (job_work_reach.cc).
  void Broke(ServerId server, const CallFailure& why, absl::Time now,
             ClientActions* out);
  // Tells the scheduler of servers that answer again.
  void TellReached(absl::Time now, ClientActions* out);
  // Asks silent servers whether they answer: always while no work asks them,
  // and once after a first call without an answer.
  void Probe(absl::Time now, ClientActions* out);
  void OnProbeAnswered(ServerId server);
  void OnProbeFailed(ServerId server, const CallFailure& why, absl::Time now,
                     ClientActions* out);
  // The call was such a question; it is no longer under way.
  bool TakeProbe(const PullId& id);
  void SendPlacementRequest(absl::Time now, ClientActions* out);
  // It computes batches without the servers that are away, or may.
  bool ComputesOn() const;

  // Reports.
  void SendClocks(absl::Time now, ClientActions* out);
  // `view_clock`: a server says that the worker is in no view.
  void SendProgress(absl::Time now, std::optional<int64_t> view_clock,
                    ClientActions* out);
  ItemEnd EndOf(ItemId item, LeaseEnd end) const;
  void EndItem(ItemId item, LeaseEnd end, ClientActions* out);
  // `run` could not be computed or pushed.
  void FailItem(const LeasedItems::Run& run, const ComputeResult& why,
                ClientActions* out);
  // A message between this worker and the server is over a limit: others may
  // try.
  void CannotGoOn(absl::string_view what, ServerId server,
                  const absl::Status& why, ClientActions* out);
  void Drop(ItemId item);
  void Prepare(ClientActions* out);
  // Pulls and pushes are made that find out whether a server answers.
  bool asks_by_work() const { return ready_ && wanted(); }
  // An item is held, or the job is to be evaluated.
  bool wanted() const {
    return !items_.empty() || worker_->evaluates == record_->id;
  }

  // The first that it had: what parts read of its plan never changes.
  const JobRecordPtr first_record_;
  JobRecordPtr record_;
  JobRecordPtr prepared_;      // The last that was to be prepared.
  WorkerState* const worker_;  // Not owned.
  Generation generation_;
  bool preparing_ = false;
  bool ready_ = false;
  int loads_failed_ = 0;  // In a row, while the source of the data is away.
  absl::Time load_again_ = absl::InfiniteFuture();

  Routes routes_;
  LeasedItems items_;
  Puller puller_;
  Pusher pusher_;
  PulledValuesPtr values_;  // Pulled, not yet used.
  bool told_ = false;       // The computer knows them.
  PulledValuesPtr used_;    // Good for `uses_left_` more batches.
  int32_t uses_left_ = 0;
  RowFinder rows_;
  // Where several batches are pushed as one: those that are computed and not
  // yet pushed, and the values that the first of them was computed from.
  struct Gathered {
    LeasedItems::Run run;
    PulledValuesPtr values;
  };
  std::optional<Gathered> gathered_;
  // Where several are computed from one pull: the last batch that was begun,
  // and from what.
  std::optional<Gathered> last_;
  PipelineDepth depth_;
  absl::Time pull_since_;
  ViewNumber joined_;
  double rate_factor_ = 1;  // Belongs to the present generation.
  bool parked_ = false;  // The last pull that was answered waits at a server.

  // Belongs to the present session with the scheduler.
  std::set<ServerId> told_unreached_;
  std::map<ServerId, int64_t> probes_;  // Requests under way.
  std::map<ServerId, RareTelling> logged_unreached_;

  absl::Time next_clock_ = absl::InfinitePast();
  absl::Time next_placement_ = absl::InfinitePast();
  absl::Time pull_not_before_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_JOB_WORK_H_
