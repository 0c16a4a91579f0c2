#include "client/job_work.h"

#include <algorithm>
#include <utility>

namespace ebb::client {

JobWork::JobWork(JobRecordPtr record, Generation generation,
                 WorkerState* worker)
    : state_(std::move(record), generation, worker),
      loading_(&state_),
      reach_(&state_, &loading_),
      pulls_(&state_),
      leases_(&state_, &pulls_),
      shares_(&state_),
      push_answers_(&state_, &reach_, &pulls_, &leases_, &shares_),
      batches_(&state_, &reach_, &pulls_, &leases_, &shares_) {}

bool JobWork::idle() const {
  return state_.items.empty() && !loading_.preparing() &&
         !pulls_.asks_for_rows() && state_.pusher.idle() &&
         state_.computing() == nullptr;
}

// --- The scheduler -----------------------------------------------------------

void JobWork::Begin(const JobRecordPtr& record, Generation generation,
                    ClientActions* out) {
  const bool changed = record != state_.record &&
                       record->specification != state_.record->specification;
  if (changed) {
    state_.record = record;
    loading_.Changed();
  }
  if (generation != state_.generation || changed) {
    leases_.GoOver(generation, out);
  }
  loading_.Begin(out);
}

void JobWork::Take(Lease lease, absl::Time now) {
  batches_.set_rate_factor(lease.rate_factor);
  if (state_.plan().rounds() && !lease.begins) {
    round_share_.Leased(state_.plan().RoundOf(lease.item));
  }
  leases_.Take(std::move(lease), now);
}

void JobWork::Lose(const LeaseLost& lost) {
  if (lost.generation < state_.generation) return;
  lost.all ? leases_.DropAll() : leases_.Drop(lost.item);
}

void JobWork::Place(const Placement& placement, absl::Time now,
                    ClientActions* out) {
  if (placement.generation != state_.generation) {
    leases_.GoOver(placement.generation, out);
  }
  const Routes::Changes changes = state_.routes.Update(placement);
  reach_.OnPlaced(placement, now);
  for (const ServerId server : changes.servers) state_.StepBackServer(server);
  // It is back: what was pulled may be as old as the time it was away.
  if (state_.GoesOn() && !changes.servers.empty()) pulls_.DropValues();
  for (const PartitionId p : changes.partitions) state_.items.StepBack(p);
}

// --- Answers -----------------------------------------------------------------

void JobWork::OnJobReady(absl::Status status, absl::Time now,
                         ClientActions* out) {
  const absl::Status why = loading_.OnReady(std::move(status), now, out);
  if (!why.ok()) leases_.FailAll(why.message(), out);
}

void JobWork::OnRowsFound(const FindRows& batch,
                          absl::StatusOr<BatchRowsPtr> rows, absl::Time now,
                          ClientActions* out) {
  state_.items.Advanced(now);
  pulls_.OnRowsFound(rows.ok() ? *rows : nullptr);
  if (!rows.ok() && batch.generation == state_.generation) {
    leases_.Fail({batch.item, batch.begin, batch.end}, rows.status().message(),
                 out);
  }
}

void JobWork::OnPullReply(const PullId& id, PullReply reply, absl::Time now) {
  if (reach_.TakeProbe(id)) return reach_.OnProbeAnswered(id.server);
  pulls_.OnReply(id, std::move(reply), now);
}

void JobWork::OnPullFailed(const PullId& id, const CallFailure& why,
                           absl::Time now, ClientActions* out) {
  if (reach_.TakeProbe(id)) {
    return reach_.OnProbeFailed(id.server, why, now, out);
  }
  if (pulls_.OnFailed(id)) reach_.BreakServer(id.server, why, now, out);
}

void JobWork::OnPullOverLimit(const PullId& id, const absl::Status& why,
                              ClientActions* out) {
  if (reach_.TakeProbe(id)) return reach_.OnProbeAnswered(id.server);
  if (!pulls_.OnFailed(id)) return;
  pulls_.Cancel();
  leases_.GiveUpAll("a pull from", id.server, why, out);
}

// --- Going on ----------------------------------------------------------------

void JobWork::Advance(absl::Time now, ClientActions* out) {
  if (!ready()) {
    reach_.Probe(now, out);
    return reach_.TellReached(now, out);
  }
  // Before the next pull, which is to see it.
  state_.pusher.Pump(state_.routes, now, out);
  Proceed(now, out);
  state_.pusher.Pump(state_.routes, now, out);
}

void JobWork::Proceed(absl::Time now, ClientActions* out) {
  leases_.EndDone(out);
  EndPull(now, out);
  if (state_.worker.draining && !state_.items.LeavesSomething()) {
    pulls_.Cancel();
    return;
  }
  shares_.Send(false, now);
  bool goes_on = false;
  for (;;) {
    goes_on = batches_.Start(now, out);
    pulls_.PullNext(now, out);
    pulls_.Pump(now, out);
    // Where all servers are away it needs none.
    if (pulls_.puller().state() != Puller::State::kDone) break;
    EndPull(now, out);
  }
  if (pulls_.puller().state() == Puller::State::kNeedsPlacement ||
      (state_.GoesOn() && !state_.routes.Complete())) {
    reach_.AskForPlacement(now, out);
  }
  if (!goes_on && !pulls_.puller().active()) shares_.Send(true, now);
  reach_.Probe(now, out);
  reach_.TellReached(now, out);
}

void JobWork::EndPull(absl::Time now, ClientActions* out) {
  const Puller& puller = pulls_.puller();
  switch (pulls_.End(now)) {
    case Puller::State::kIdle:
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
    case Puller::State::kNoSnapshot:
    case Puller::State::kDone:
      return;
    case Puller::State::kClosed:
      return leases_.EndRound(puller.spec().round, out);
    case Puller::State::kNotInView:
      return leases_.SendProgress(puller.view_clock(), now, out);
    case Puller::State::kOtherGeneration:
      if (puller.generation() > state_.generation) {
        leases_.GoOver(puller.generation(), out);
      }
      return reach_.AskForPlacement(now, out);
    case Puller::State::kInvalid:
      return leases_.FailFirst("a server found the pull malformed", out);
  }
}

// --- Time --------------------------------------------------------------------

void JobWork::OnTick(absl::Time now, ClientActions* out) {
  pulls_.OnTick(now, out);
  loading_.OnTick(now, out);
  leases_.OnTick(loading_.waits(), now, out);
}

absl::Time JobWork::NextTick(absl::Time last) const {
  absl::Time next =
      std::min({leases_.NextTick(), loading_.NextTick(), pulls_.NextTick(last),
                state_.routes.NextRetry(last)});
  // Advance looks at it, so it is not due again once `last` came after it.
  if (reach_.next_placement() > last) {
    next = std::min(next, reach_.next_placement());
  }
  return next;
}

}  // namespace ebb::client
