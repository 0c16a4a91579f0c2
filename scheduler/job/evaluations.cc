#include "scheduler/job/evaluations.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/plant.h"

namespace ebb::scheduler {

namespace {

// In the figures that people know; `squared_loss` as in TrainingFacts.
std::string EvaluationText(const Evaluation& evaluation, bool squared_loss) {
  if (!evaluation.error.empty()) {
    return absl::StrCat(" is not evaluated: ", evaluation.error);
  }
  return absl::StrCat(
      squared_loss ? ": test RMSE " : ": test loss ",
      squared_loss ? std::sqrt(2 * evaluation.loss) : evaluation.loss,
      evaluation.accuracy >= 0
          ? absl::StrCat(", accuracy ", evaluation.accuracy)
          : "");
}

}  // namespace

Evaluations::Evaluations(JobTables* job, PartitionOwners* owners,
                         const Backups* backups)
    : job_(*job),
      owners_(*owners),
      backups_(*backups),
      evaluator_(job->options, job->known, job->state, job->placement),
      forget_open_(!job->state.rolled_back.empty()) {}

bool Evaluations::WantsEvaluator() const {
  return job_.started && job_.placement.AllRegistered() &&
         evaluator_.WantsWorker();
}

void Evaluations::Evaluate(SessionId worker, Context* context) {
  context->cluster->workers.BeginsEvaluation(worker, job_.id());
  context->ToWorker(worker,
                    evaluator_.Lease(job_.record, worker, context->now));
  owners_.SendPlacement(worker, context);
}

bool Evaluations::EvaluateToo(const WorkerInfo& worker, Context* context) {
  const SessionId session = worker.session, first = evaluator_.worker();
  if (!evaluator_.MayLeaseAgain() || job_.leases.CountHeldBy(session) > 0 ||
      worker.evaluates || worker.no_evaluations ||
      !context->cluster->workers.CanWorkOn(worker, job_.id()) ||
      !backups_.MuchFaster(session, first)) {
    return false;
  }
  context->Log(absl::StrCat(
      "job=", job_.name(), " worker=", worker.name,
      " evaluates, too, what worker=", context->cluster->workers.at(first).name,
      " evaluates: it will be done earlier"));
  context->cluster->workers.BeginsEvaluation(session, job_.id());
  context->ToWorker(session, evaluator_.LeaseAgain(job_.record, session));
  owners_.SendPlacement(session, context);
  return true;
}

std::set<SessionId> Evaluations::Workers() const {
  std::set<SessionId> workers;
  for (const SessionId one : {evaluator_.worker(), evaluator_.second()}) {
    if (one != SessionId()) workers.insert(one);
  }
  return workers;
}

bool Evaluations::Evaluated(const EvaluationResult& result, Context* context) {
  return Ended(evaluator_.Evaluated(result, context), context);
}

bool Evaluations::WorkerLost(SessionId worker, Context* context) {
  return Ended(evaluator_.WorkerLost(worker, context), context);
}

bool Evaluations::Tick(Context* context) {
  const bool waits = job_.marks.AllApplied() ||
                     (job_.training_facts.judged() && evaluator_.underway());
  const bool vain = job_.state.phase == JobPhase::kRunning && waits &&
                    context->cluster->workers.NoneEvaluates(job_.id());
  return Ended(evaluator_.Tick(vain, context), context);
}

void Evaluations::Advance(int32_t epochs_full, Context* context) {
  if (std::exchange(forget_open_, false)) {
    ForgetFrom(epochs_full);
    job_.dirty = true;
  }
  ForgetLost(epochs_full, context);
  if (std::exchange(lost_, false)) evaluator_.Lost(epochs_full);
  evaluator_.Start(Ready(epochs_full, context), context);
}

int32_t Evaluations::Ready(int32_t epochs_full, Context* context) {
  const int32_t due = evaluator_.NextEpoch();
  if (!job_.training_facts.judged() || underway() ||
      due >= job_.plan().epochs || epochs_full <= due ||
      job_.marks.EpochsDurable() > due) {
    return epochs_full;
  }
  if (std::exchange(checkpoint_asked_, due) != due) {
    owners_.RequestCheckpoint(context);
  }
  return due;
}

bool Evaluations::MayBegin(int32_t epoch) const {
  if (EBB_PLANTED(stopped_job_goes_on)) return true;
  return !forget_open_ && !lost_ && epoch <= evaluator_.NextEpoch();
}

void Evaluations::ForgetFrom(int64_t epoch) {
  std::erase_if(job_.state.evaluations, [&](const Evaluation& evaluation) {
    return evaluation.epoch >= epoch;
  });
}

void Evaluations::ForgetLost(int32_t epochs_full, Context* context) {
  JobState& state = job_.state;
  if (!job_.training_facts.judged() || state.evaluations.empty() ||
      state.evaluations.back().epoch < epochs_full) {
    return;
  }
  context->Log(absl::StrCat("job=", job_.name(),
                            " forgets its evaluations from epoch ",
                            epochs_full + 1,
                            " on: their values were stored, and a server came "
                            "back with less, because "
                            "its storage was damaged. They are made again"));
  ForgetFrom(epochs_full);
  if (state.kept_epoch >= epochs_full) state.kept_epoch = -1;
  constexpr absl::string_view kLost =
      "; its values were lost, and are computed again";
  if (!state.ended.empty() && !absl::EndsWith(state.ended, kLost)) {
    absl::StrAppend(&state.ended, kLost);
  }
  job_.dirty = true;
}

bool Evaluations::Ended(std::optional<Evaluation> evaluation,
                        Context* context) {
  if (!evaluation) return false;
  context->Tell(
      EventKind::kEvaluation, job_.id(),
      absl::StrCat(
          "job=", job_.name(), " epoch ", evaluation->epoch + 1,
          EvaluationText(*evaluation, job_.training_facts.squared_loss)));
  job_.state.AddEvaluation(*std::move(evaluation));
  job_.dirty = true;
  return true;
}

}  // namespace ebb::scheduler
