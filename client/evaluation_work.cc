#include "client/evaluation_work.h"

#include <optional>
#include <utility>

#include "protocol/evaluation_check.h"

namespace ebb::client {

PullSpec EvaluationWork::SpecFor(const EvaluationLease& lease,
                                 BatchRowsPtr rows) {
  PullSpec spec;
  spec.job = lease.record->id;
  spec.generation = lease.generation;
  spec.snapshot = lease.snapshot;
  spec.rows = std::move(rows);
  return spec;
}

void EvaluationWork::Take(EvaluationLease lease, ClientActions* out) {
  if (pending_) out->push_back(LoseEvaluation{});
  worker_->evaluates = lease.record->id;
  worker_->within_evaluation = false;
  Puller puller(lease.record->plan);
  pending_.emplace(Pending{std::move(lease), std::move(puller)});
  if (!IsSparse(*pending_)) {
    pending_->puller.Start(SpecFor(pending_->lease, nullptr));
  }
}

void EvaluationWork::FindNext(ClientActions* out) {
  if (pending_->rows != nullptr) {
    pending_->puller.Start(SpecFor(pending_->lease, pending_->rows));
  } else if (!pending_->asked) {
    pending_->asked = true;
    FindRows batch;
    batch.record = pending_->lease.record;
    batch.generation = pending_->lease.generation;
    batch.begin = batch.end = pending_->begin;
    batch.test = true;
    out->push_back(std::move(batch));
  }
}

void EvaluationWork::OnRowsFound(const FindRows& batch,
                                 const absl::StatusOr<BatchRowsPtr>& rows,
                                 ClientActions* out) {
  const bool awaited = pending_ && pending_->asked &&
                       pending_->lease.record->id == batch.record->id &&
                       pending_->begin == batch.begin;
  if (!awaited) return;
  if (!rows.ok()) return Fail(rows.status().message(), out);
  pending_->asked = false;
  pending_->rows = *rows;
}

void EvaluationWork::Lose(ClientActions* out) {
  if (!pending_) return;
  Forget();
  out->push_back(LoseEvaluation{});
}

void EvaluationWork::Forget() {
  pending_.reset();
  worker_->evaluates.reset();
  worker_->evaluates_alone = false;
  worker_->within_evaluation = false;
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
  out->push_back(LoseEvaluation{});
}

void EvaluationWork::Advance(JobWork* work, absl::Time now,
                             ClientActions* out) {
  if (!pending_) return;
  if (worker_->draining) return Fail("the worker is leaving", out);
  if (pending_->computing || work->loading()) return;
  if (!work->ready()) return Fail("the job cannot be computed here", out);
  if (pending_->lease.generation != work->state().generation) {
    return Fail("the job has a newer generation", out);
  }
  Puller& puller = pending_->puller;
  if (puller.state() == Puller::State::kIdle) FindNext(out);
  switch (puller.state()) {
    case Puller::State::kIdle:
      return;  // Its rows are not known yet.
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
      worker_->evaluates_alone = !work->state().limits().evaluates_beside;
      // Pulled for a batch that comes first.
      if (worker_->evaluates_alone && work->holds_values()) return;
      puller.Pump(work->routes(), work->state().stamp(), worker_->options, now,
                  &worker_->next_request, out);
      if (puller.state() == Puller::State::kNeedsPlacement) {
        work->reach().AskForPlacement(now, out);
      }
      return;
    case Puller::State::kDone:
      // After the batch, or the evaluation that this one replaced: its result
      // must not be taken for this one's.
      if (worker_->computation.busy()) return;
      pending_->computing = true;
      worker_->within_evaluation = worker_->options.evaluates_whole;
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

bool EvaluationWork::OnPullOverLimit(const PullId& id, const absl::Status& why,
                                     ClientActions* out) {
  if (!OnPullFailed(id)) return false;
  Fail(why.message(), out);
  return true;
}

void EvaluationWork::OnEvaluated(const std::optional<EvaluationResult>& result,
                                 ClientActions* out) {
  worker_->computation.EndEvaluation();
  if (!pending_ || !pending_->computing) return;
  if (!result) {
    pending_->computing = false;
    pending_->puller.Start(SpecFor(pending_->lease, pending_->rows));
    return;
  }
  if (!result->error.empty()) return Fail(result->error, out);
  if (const absl::Status fits = CheckEvaluation(*result); !fits.ok()) {
    return Fail(fits.message(), out);
  }
  if (!IsSparse(*pending_)) return Report(*result, out);
  EvaluationResult& sums = pending_->sums;
  sums.examples += result->examples;
  sums.loss_sum += result->loss_sum;
  // Either no part has classes, or all have.
  sums.correct = result->correct < 0 ? -1 : sums.correct + result->correct;
  sums.figures = result->figures;  // From all parts so far.
  if (pending_->rows->last) return Report(sums, out);
  pending_->computing = false;
  pending_->begin = std::exchange(pending_->rows, nullptr)->end;
}

}  // namespace ebb::client
