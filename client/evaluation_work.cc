#include "client/evaluation_work.h"

#include <utility>

namespace ebb::client {

void EvaluationWork::Take(EvaluationLease lease) {
  PullSpec spec;
  spec.job = lease.record->id;
  spec.generation = lease.generation;
  spec.snapshot = lease.snapshot;
  Puller puller(lease.record->plan);
  pending_.emplace(Pending{std::move(lease), std::move(puller)});
  pending_->puller.Start(spec);
}

void EvaluationWork::Forget() {
  pending_.reset();
  worker_->evaluates_alone = false;
}

std::optional<JobId> EvaluationWork::job() const {
  if (!pending_) return std::nullopt;
  return pending_->lease.record->id;
}

void EvaluationWork::Report(EvaluationResult result, ClientActions* out) {
  result.session = worker_->options.session;
  result.job = pending_->lease.record->id;
  result.generation = pending_->lease.generation;
  result.snapshot = pending_->lease.snapshot;
  out->push_back(SendScheduler{std::move(result)});
  Forget();
}

void EvaluationWork::Fail(absl::string_view why, ClientActions* out) {
  EvaluationResult result;
  result.error = std::string(why);
  Report(std::move(result), out);
}

void EvaluationWork::Advance(JobWork* work, absl::Time now,
                             ClientActions* out) {
  if (!pending_) return;
  if (worker_->draining) return Fail("the worker is leaving", out);
  if (pending_->computing || work->preparing()) return;
  if (!work->ready()) return Fail("the job cannot be computed here", out);
  if (pending_->lease.generation != work->generation()) {
    return Fail("the job has a newer generation", out);
  }
  Puller& puller = pending_->puller;
  switch (puller.state()) {
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
      worker_->evaluates_alone = !work->limits().evaluates_beside;
      // Pulled for a batch that comes first.
      if (worker_->evaluates_alone && work->holds_values()) return;
      puller.Pump(work->routes(), work->stamp(), worker_->options, now,
                  &worker_->next_request, out);
      if (puller.state() == Puller::State::kNeedsPlacement) {
        work->AskForPlacement(now, out);
      }
      return;
    case Puller::State::kDone:
      // After the batch, or the evaluation that this one replaced: its result
      // must not be taken for this one's.
      if (worker_->computation.busy()) return;
      pending_->computing = true;
      worker_->computation.BeginEvaluation();
      out->push_back(Evaluate{{pending_->lease.record, pending_->lease.snapshot,
                               puller.TakeValues()}});
      return;
    default:
      return Fail("the snapshot is gone", out);
  }
}

bool EvaluationWork::OnPullReply(const PullId& id, const PullReply& reply,
                                 JobWork* work) {
  return job() == id.job && pending_->puller.Reply(id, reply, work->routes());
}

bool EvaluationWork::OnPullFailed(const PullId& id) {
  return pending_ && pending_->puller.Failed(id);
}

void EvaluationWork::OnEvaluated(const EvaluationResult& result,
                                 ClientActions* out) {
  worker_->computation.EndEvaluation();
  if (pending_ && pending_->computing) Report(result, out);
}

}  // namespace ebb::client
