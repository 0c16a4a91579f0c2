#include "scheduler/job/evaluator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

namespace {

constexpr int kAttempts = 5;

}  // namespace

int32_t Evaluator::NextAfter(int32_t epoch) const {
  const JobPlan& plan = record_.plan;
  const int32_t every = plan.evaluate_every;
  if (every <= 0 || epoch >= plan.epochs - 1) return plan.epochs;
  return std::min((epoch + 1) / every * every + every - 1, plan.epochs - 1);
}

int32_t Evaluator::NextEpoch() const {
  return NextAfter(
      state_.evaluations.empty() ? lost_ : state_.evaluations.back().epoch);
}

void Evaluator::Lost(int32_t epochs_full) {
  for (int32_t next = NextAfter(lost_); NextAfter(next) < epochs_full;
       next = NextAfter(next)) {
    lost_ = next;
  }
}

bool Evaluator::AllDone() const {
  return !running_ && NextEpoch() >= record_.plan.epochs;
}

void Evaluator::Start(int32_t epochs_full, Context* context) {
  lost_ = std::min(lost_, epochs_full - 1);  // After a rollback.
  const int32_t next = NextEpoch();
  if (running_ || next >= record_.plan.epochs || epochs_full <= next) return;
  running_ = Running{.epoch = next};
  Begin(context);  // No attempt was made yet, so none is the last.
}

void Evaluator::ServersBack(Context* context) {
  if (!running_) return;
  running_->worker = running_->second = SessionId();
  Begin(context);  // Likewise.
}

std::optional<Evaluation> Evaluator::Begin(Context* context) {
  Running& running = *running_;
  if (running.snapshot != 0) {
    context->ToOwners(placement_, DropSnapshot{record_.id, running.snapshot});
  }
  // Without a worker there was no failed attempt.
  const bool tried = running.worker != SessionId();
  if (tried && ++running.attempts >= kAttempts) {
    Evaluation failed;
    failed.epoch = running.epoch;
    failed.error =
        absl::StrCat("no worker could evaluate it in ", kAttempts, " attempts");
    return End(std::move(failed), context);
  }
  running.snapshot = static_cast<int64_t>(context->numbers->Draw(context->now));
  running.pinned.clear();
  running.position = record_.plan.examples * record_.plan.epochs;
  running.worker = running.second = SessionId();
  running.leased_again = false;
  running.deadline = context->now + options_.evaluation_timeout;
  context->ToOwners(placement_, TakeSnapshot{record_.id, state_.generation,
                                             running.snapshot});
  return std::nullopt;
}

Evaluation Evaluator::End(Evaluation evaluation, Context* context) {
  evaluation.finished_us = absl::ToUnixMicros(context->now);
  context->ToOwners(placement_, DropSnapshot{record_.id, running_->snapshot});
  running_.reset();
  return evaluation;
}

void Evaluator::SnapshotTaken(const ServerInfo& server,
                              const SnapshotReply& reply) {
  if (!running_ || reply.snapshot != running_->snapshot) return;
  for (const auto& [partition, term] : reply.partitions) {
    if (partition.value() < 0 || partition.value() >= placement_.size()) {
      continue;
    }
    const Ownership& one = placement_.at(partition);
    if (one.owner == server.id && one.drawn == term) {
      running_->pinned.insert(partition);
    }
  }
  running_->position = std::min(running_->position, reply.examples);
}

bool Evaluator::WantsWorker() const {
  return running_ && running_->worker == SessionId() &&
         static_cast<int32_t>(running_->pinned.size()) == placement_.size();
}

EvaluationLease Evaluator::Lease(const JobRecordPtr& record, SessionId worker,
                                 absl::Time now) {
  running_->worker = worker;
  running_->deadline = now + options_.evaluation_timeout;
  return {record, state_.generation, running_->snapshot, running_->epoch};
}

EvaluationLease Evaluator::LeaseAgain(const JobRecordPtr& record,
                                      SessionId worker) {
  running_->second = worker;
  running_->leased_again = true;
  return {record, state_.generation, running_->snapshot, running_->epoch};
}

bool Evaluator::OtherGoesOn(SessionId ended) {
  Running& running = *running_;
  if (running.second == SessionId()) return false;
  if (ended == running.worker) running.worker = running.second;
  running.second = SessionId();
  return true;
}

std::optional<Evaluation> Evaluator::Evaluated(const EvaluationResult& result,
                                               Context* context) {
  if (!running_ || result.snapshot != running_->snapshot) return std::nullopt;
  if (!result.error.empty()) {
    context->Log(absl::StrCat("job=", record_.name, " evaluation of epoch ",
                              running_->epoch + 1, " failed: ", result.error));
    if (OtherGoesOn(result.session)) return std::nullopt;
    return Begin(context);
  }
  Evaluation evaluation;
  evaluation.epoch = running_->epoch;
  evaluation.position = running_->position;
  evaluation.examples = result.examples;
  const auto examples =
      static_cast<double>(std::max<int64_t>(1, result.examples));
  evaluation.loss = result.loss_sum / examples;
  evaluation.accuracy =
      result.correct < 0 ? -1 : static_cast<double>(result.correct) / examples;
  evaluation.figures = result.figures;
  return End(std::move(evaluation), context);
}

std::optional<Evaluation> Evaluator::WorkerLost(SessionId worker,
                                                Context* context) {
  if (!running_ || worker == SessionId() ||
      (running_->worker != worker && running_->second != worker) ||
      OtherGoesOn(worker)) {
    return std::nullopt;
  }
  return Begin(context);
}

std::optional<Evaluation> Evaluator::Tick(Context* context) {
  if (!running_ || running_->deadline > context->now) return std::nullopt;
  return Begin(context);
}

absl::Time Evaluator::NextTick() const {
  return running_ ? running_->deadline : absl::InfiniteFuture();
}

}  // namespace ebb::scheduler
