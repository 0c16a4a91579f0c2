#include "scheduler/job/evaluator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

namespace {

constexpr int kMostFailures = 5;

// A job that says that deaths are usual means those of evaluators, too.
int MostDeaths(const JobPlan& plan) {
  return std::max(kMostFailures, plan.quarantine_after);
}

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
  Begin(context);
}

void Evaluator::ServersBack(Context* context) {
  if (!running_) return;
  Begin(context);
}

std::optional<Evaluation> Evaluator::BeginAfter(int* count, int most,
                                                Context* context) {
  // Without a worker there was no attempt.
  if (running_->worker != SessionId() && ++*count >= most) {
    Evaluation failed;
    failed.epoch = running_->epoch;
    failed.error = absl::StrCat(
        "no worker could evaluate it in ",
        running_->failures + running_->deaths, " attempts",
        running_->error.empty() ? "" : ", at last: ", running_->error);
    return End(std::move(failed), context);
  }
  Begin(context);
  return std::nullopt;
}

void Evaluator::Begin(Context* context) {
  Running& running = *running_;
  if (running.snapshot != 0) {
    context->ToOwners(placement_, DropSnapshot{record_.id, running.snapshot});
  }
  running.snapshot = static_cast<int64_t>(context->numbers->Draw(context->now));
  running.pinned.clear();
  running.position = record_.plan.examples * record_.plan.epochs;
  running.worker = running.second = SessionId();
  running.leased_again = false;
  running.deadline = context->now + options_.evaluation_timeout;
  context->ToOwners(placement_, TakeSnapshot{record_.id, state_.generation,
                                             running.snapshot});
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
  running_->vain = false;
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
    constexpr size_t kMostError = 1000;
    context->Log(absl::StrCat("job=", record_.name, " evaluation of epoch ",
                              running_->epoch + 1, " failed: ", result.error));
    running_->error = result.error.substr(0, kMostError);
    if (OtherGoesOn(result.session)) return std::nullopt;
    return BeginAfter(&running_->failures, kMostFailures, context);
  }
  Evaluation evaluation;
  evaluation.epoch = running_->epoch;
  evaluation.position = running_->position;
  evaluation.examples = result.examples;
  const auto examples =
      static_cast<double>(std::max<int64_t>(1, result.examples));
  // A mean that a program tells is shown as it is. From a sum or a count that
  // was made of it, another number would come.
  evaluation.loss =
      result.figures.Find("loss").value_or(result.loss_sum / examples);
  evaluation.accuracy = result.correct < 0
                            ? result.figures.Find(kAccuracy).value_or(-1)
                            : static_cast<double>(result.correct) / examples;
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
  return BeginAfter(&running_->deaths, MostDeaths(record_.plan), context);
}

std::optional<Evaluation> Evaluator::Tick(bool vain, Context* context) {
  if (!running_ || running_->deadline > context->now) return std::nullopt;
  const bool was_vain = std::exchange(running_->vain, vain);
  if (!vain || !was_vain) {
    return BeginAfter(&running_->failures, kMostFailures, context);
  }
  Evaluation left_out;
  left_out.epoch = record_.plan.epochs - 1;
  left_out.error =
      "no worker that is connected evaluates: start a program of the job that "
      "does";
  return End(std::move(left_out), context);
}

absl::Time Evaluator::NextTick() const {
  return running_ ? running_->deadline : absl::InfiniteFuture();
}

}  // namespace ebb::scheduler
