// Does a worker's work for one job: pulls values, has batches computed, pushes
// their sums, and takes each server's verdict.
//
//   lease ──> prepare ──> pull ──> compute ──> push ──> acknowledged ──> done
//               (once)     ^  └── the next pull overlaps ──┘   |
//                          └──── a refusal steps back ─────────┘
//
// The work is done by parts, each of which knows the state and the parts above
// it in this list:
//
//   job_state.h     what all share: items, places of the partitions, pushes
//   job_loading.h   whether the job can be computed here
//   server_reach.h  servers that are not reached, and asking for placements
//   pull_ahead.h    the values that batches are computed from, and the clock
//   item_leases.h   what the scheduler hears of items
//   away_shares.h   what is kept for servers that are away
//   push_answers.h  what follows from the answers to pushes
//   batch_work.h    which batch is computed next, and pushing it
//
// JobWork brings every event to the parts that it concerns, in order. After any
// event, and whenever another job's or an evaluation's computation ended,
// Advance() does what can be done next.
//
// Thread-compatible.
#ifndef EBB_CLIENT_JOB_WORK_H_
#define EBB_CLIENT_JOB_WORK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/away_shares.h"
#include "client/batch_work.h"
#include "client/computation.h"
#include "client/item_leases.h"
#include "client/job_loading.h"
#include "client/job_state.h"
#include "client/pull_ahead.h"
#include "client/push_answers.h"
#include "client/round_share.h"
#include "client/routes.h"
#include "client/server_reach.h"
#include "client/worker_state.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class JobWork {
 public:
  // `worker` is not owned and outlives this.
  JobWork(JobRecordPtr record, Generation generation, WorkerState* worker);
  JobWork(const JobWork&) = delete;
  JobWork& operator=(const JobWork&) = delete;

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
  // The connection is another.
  void Connected() {
    reach_.ForgetTold();
    leases_.AskAnew();
  }
  // `lease` is of the present generation.
  void Take(Lease lease, absl::Time now);
  void Lose(const LeaseLost& lost);
  void Place(const Placement& placement, absl::Time now, ClientActions* out);

  // --- Answers to the actions ------------------------------------------------
  // See JobLoading.
  void OnJobReady(absl::Status status, absl::Time now, ClientActions* out);
  // `rows` are those of the batch of the last FindRows of this job, or say why
  // they cannot be found. Null: their data is away for now, and Advance asks
  // again.
  void OnRowsFound(const FindRows& batch, absl::StatusOr<BatchRowsPtr> rows,
                   absl::Time now, ClientActions* out);
  // A batch of this job was given up.
  void OnCancelled() { state_.items.DropGathered(); }
  // `batch` was under way, of this job.
  void OnComputed(const Computation::Batch& batch, const ComputeResult& result,
                  absl::Time now, ClientActions* out) {
    if (!batch.after_load) round_share_.Computed(now - batch.since);
    batches_.OnComputed(batch, result, now, out);
  }
  void OnPullReply(const PullId& id, PullReply reply, absl::Time now);
  void OnPullFailed(const PullId& id, const CallFailure& why, absl::Time now,
                    ClientActions* out);
  void OnPullOverLimit(const PullId& id, const absl::Status& why,
                       ClientActions* out);
  // True: the pull was awaited.
  bool OnPullRefused(const PullId& id) {
    return reach_.TakeProbe(id) || pulls_.OnFailed(id);
  }
  // The answers to pushes go there.
  PushAnswers& push_answers() { return push_answers_; }

  // --- Going on --------------------------------------------------------------
  // Pushes what was computed, and whatever can be done next.
  void Advance(absl::Time now, ClientActions* out);
  // Renews the leases and repeats the clock where that is due.
  void OnTick(absl::Time now, ClientActions* out);
  // When OnTick or Advance is wanted, if the last Advance was at `last`.
  absl::Time NextTick(absl::Time last) const;
  // Something of this job advanced, as far as its leases are concerned.
  void Advanced(absl::Time now) { state_.items.Advanced(now); }
  // How many items the worker is to hold, which usually holds `usual`.
  int32_t ItemsToHold(int32_t usual) const {
    return state_.plan().rounds() ? round_share_.ItemsToHold(usual) : usual;
  }
  // Gives all items back.
  void ReturnItems(ClientActions* out) { leases_.ReturnAll(out); }
  // Nothing is held, on its way or computed: it can be forgotten. The caller
  // that forgets it raises WorkerState::first_incarnation to
  // Routes::unused_incarnation(). Otherwise the servers would take later pushes
  // for earlier ones.
  bool idle() const;

  // --- For an evaluation of the same job (evaluation_work.h) -----------------
  // Or it waits to be loaded again.
  bool loading() const { return loading_.preparing() || loading_.waits(); }
  bool ready() const { return loading_.ready(); }
  // Values were pulled, or are being pulled, for a batch.
  bool holds_values() const {
    return pulls_.holds_values() || state_.computing() != nullptr;
  }
  Routes* routes() { return &state_.routes; }

  // --- What it is ------------------------------------------------------------
  const JobState& state() const { return state_; }
  ServerReach& reach() { return reach_; }
  const ServerReach& reach() const { return reach_; }

 private:
  // Ends, pulls and computes what can be.
  void Proceed(absl::Time now, ClientActions* out);
  // Does what follows from the end of a pull, if it ended.
  void EndPull(absl::Time now, ClientActions* out);

  JobState state_;
  JobLoading loading_;
  ServerReach reach_;
  PullAhead pulls_;
  ItemLeases leases_;
  AwayShares shares_;
  PushAnswers push_answers_;
  BatchWork batches_;
  RoundShare round_share_;  // Used by jobs in rounds.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_JOB_WORK_H_
