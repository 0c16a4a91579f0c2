#include "scheduler/job/training_job.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "protocol/plan_change.h"

namespace ebb::scheduler {

TrainingJob::TrainingJob(const SchedulerOptions& options, JobRecordPtr record,
                         JobState state)
    : parts_(options, std::move(record), std::move(state),
             [this](Generation generation, RollbackRecord rollback,
                    Context* context) {
               BeginGeneration(generation, std::move(rollback), context);
             }) {}

void TrainingJob::Start(Context* context) {
  parts_.tables.started = true;
  parts_.demand.WarnOfTooMany(context);
  parts_.owners.Assign(context);
  parts_.granter.GrantAll(context);
}

// --- Generations -------------------------------------------------------------

// A newer generation than ours means that our store is old: theirs holds.
bool TrainingJob::AcceptGeneration(const JobRegistration& registration,
                                   Context* context) {
  JobState& state = parts_.tables.state;
  if (registration.generation < state.generation) return false;
  if (registration.generation == state.generation) return true;
  if (EBB_PLANTED(scheduler_ignores_newer_generations)) return false;
  context->Log(absl::StrCat("job=", record()->name,
                            " adopts the newer generation ",
                            registration.generation.value()));
  context->numbers->Met(registration.generation.value());
  const JobPlan& newer = registration.record->plan;
  if (MayFollow(plan(), newer).ok() || MayEndAs(plan(), newer).ok()) {
    parts_.tables.TakeRecord(registration.record);
  }
  // What was complete is another history.
  if (state.phase == JobPhase::kCompleted) state.phase = JobPhase::kRunning;
  BeginGeneration(registration.generation, registration.rollback, context);
  return true;
}

void TrainingJob::BeginGeneration(Generation generation,
                                  RollbackRecord rollback, Context* context) {
  JobTables& job = parts_.tables;
  parts_.keeper.RevokeWhere([](ItemId) { return true; }, context);
  job.state.generation = generation;
  job.state.rollback = std::move(rollback);
  job.dirty = true;
  job.marks = MarkTable(plan());
  job.leases = LeaseTable(plan(), job.marks);
  parts_.failures.BeginGeneration();
  parts_.losses.BeginGeneration();
  // What was accepted were the values of before.
  job.state.divergence = parts_.pauses.PausedForDivergence()
                             ? DivergencePause::kGoneBack
                             : DivergencePause::kNone;
  parts_.keeper.BeginGeneration();
  parts_.offers.ForgetTails();
  parts_.registrar.BeginGeneration();  // Of a history that is no more.
  parts_.rounds.BeginGeneration();
  parts_.evaluations.BeginGeneration();
  parts_.data.BeginGeneration();
  final_checkpoint_asked_ = false;
  if (!job.started) return;
  // Nobody has a lease, and who gets none now must hold nobody up.
  parts_.view.Clear(context);
  parts_.granter.GrantAll(context);
}

// --- Servers -----------------------------------------------------------------

void TrainingJob::ServerRegistered(const ServerInfo& server,
                                   const JobRegistration* registration,
                                   Context* context) {
  parts_.owners.RegistersAnew(server.id);
  const bool same_generation =
      registration != nullptr && AcceptGeneration(*registration, context);
  // What was asked of the server before it was away may be lost.
  final_checkpoint_asked_ = false;
  parts_.finish.AskAgain();
  parts_.registrar.ServerRegistered(server, registration, same_generation,
                                    context);
  if (!parts_.tables.started) return;
  MarksChanged(context);
  parts_.owners.TellStaleOfAll(context);
  parts_.takeover.TakeOver(context);
  parts_.mover.MoveOn(context);
}

void TrainingJob::PartitionsRegistered(const ServerInfo& server,
                                       const JobRegistration& registration,
                                       Context* context) {
  if (!AcceptGeneration(registration, context)) return;
  if (!parts_.registrar.PartitionsRegistered(server, registration, context)) {
    return;
  }
  PlacementChanged(context);
  MarksChanged(context);
  parts_.mover.MoveOn(context);
}

void TrainingJob::ServerLost(const ServerInfo& server, Context* context) {
  parts_.offers.ForgetTails();
  parts_.mover.TargetLost(server, context);
  parts_.owners.Away(server.id);
  parts_.takeover.TakeOver(context);
}

void TrainingJob::Marks(const ServerInfo& server, const MarkReport& report,
                        Context* context) {
  if (parts_.registrar.Marks(server, report)) MarksChanged(context);
}

void TrainingJob::PartitionMovedIn(const ServerInfo& server,
                                   const JobRegistration& registration,
                                   Context* context) {
  if (!parts_.mover.MovedIn(server, registration, context)) return;
  // A snapshot does not move: what was pinned of it is no more.
  parts_.evaluations.ServersBack(context);
  PlacementChanged(context);
  MarksChanged(context);
  parts_.mover.MoveOn(context);
}

void TrainingJob::PlacementChanged(Context* context) {
  if (!placement().AllRegistered()) return;
  std::set<SessionId> workers = leases().Holders();
  workers.merge(parts_.evaluations.Workers());
  for (const SessionId worker : workers) {
    parts_.owners.SendPlacement(worker, context);
  }
}

// --- Marks -------------------------------------------------------------------

void TrainingJob::MarksChanged(Context* context) {
  if (!placement().AllRegistered()) return;
  if (parts_.failures.SettleSkips(context)) MarksChanged(context);
  if (plan().rounds()) {
    if (parts_.rollbacks.RollBackIfNeeded(context)) return;
    parts_.rounds.Tell(context);
    if (parts_.rollbacks.EndIfDecided(context)) return;
  }
  if (parts_.finish.Settle(context)) return;
  const int32_t full = marks().EpochsFull();
  parts_.offers.EpochsFull(full, context->now);
  parts_.evaluations.Advance(full, context);
  if (parts_.best.Settle(context)) return;
  SettleEnd(context);
}

void TrainingJob::SettleEnd(Context* context) {
  JobState& state = parts_.tables.state;
  const bool tail_reached = plan().endless() && marks().full_everywhere() > 0 &&
                            leases().Unfinished() == 0 &&
                            EBB_PLANTED(tail_completes_the_job);
  if (!marks().AllApplied() && !tail_reached) {
    final_checkpoint_asked_ = false;
    if (state.phase == JobPhase::kCompleted &&
        !EBB_PLANTED(items_reopen_only_until_completion)) {
      Reopen(context);
    }
    return;
  }
  if (state.phase != JobPhase::kRunning) return;
  if (!marks().Complete() && !tail_reached &&
      !EBB_PLANTED(complete_when_applied)) {
    if (!final_checkpoint_asked_) parts_.owners.RequestCheckpoint(context);
    final_checkpoint_asked_ = true;
    return;
  }
  if (!parts_.evaluations.AllDone()) return;
  if (parts_.losses.StopsAtItsEnd(context)) return;
  parts_.best.Completes();
  state.phase = JobPhase::kCompleted;
  parts_.tables.dirty = true;
  context->Tell(EventKind::kJobComplete, id(),
                absl::StrCat("job=", record()->name, " is complete"));
  context->ToOwners(placement(), JobCompleted{id(), state.generation});
}

void TrainingJob::Reopen(Context* context) {
  context->Tell(
      EventKind::kJobReopened, id(),
      absl::StrCat("job=", record()->name,
                   " was complete, but a server came back with less: its "
                   "storage was damaged. The job is open again; what is "
                   "missing is recomputed."));
  parts_.tables.state.phase = JobPhase::kRunning;
  parts_.tables.dirty = true;
}

// --- Workers -----------------------------------------------------------------

void TrainingJob::Evaluated(const EvaluationResult& result, Context* context) {
  if (parts_.evaluations.Evaluated(result, context)) MarksChanged(context);
}

void TrainingJob::Reached(const DataReached& message, Context* context) {
  if (!parts_.data.Reached(message, context->now)) return;
  if (parts_.tables.finishing()) return;
  const absl::Status ordered =
      parts_.finish.Order(message.examples, "its data ends there", context);
  if (!ordered.ok()) context->Log(std::string(ordered.message()));
  MarksChanged(context);
}

void TrainingJob::CutOff(SessionId worker, Context* context) {
  parts_.keeper.TakeBack({worker}, context);
  parts_.data.WorkerLost(worker);
  if (parts_.evaluations.WorkerLost(worker, context)) MarksChanged(context);
}

void TrainingJob::ReleaseUnclaimed(const WorkerInfo& worker, Context* context) {
  parts_.held.ReleaseUnclaimed(worker, context);
  parts_.data.WorkerLost(worker.session);
  if (EBB_PLANTED(evaluation_outlives_its_session)) return;
  if (parts_.evaluations.WorkerLost(worker.session, context)) {
    MarksChanged(context);
  }
}

void TrainingJob::WorkerArrived(const WorkerInfo& worker, Context* context) {
  parts_.demand.WorkerArrived(context);
  if (parts_.failures.WorkerArrived(worker, context)) MarksChanged(context);
}

void TrainingJob::WorkerLost(const WorkerInfo& worker, Context* context) {
  parts_.held.WorkerLost(worker, context);
  parts_.data.WorkerLost(worker.session);
  parts_.offers.WorkerLost(worker.session);
  if (parts_.evaluations.WorkerLost(worker.session, context)) {
    MarksChanged(context);
  }
  parts_.failures.PauseIfNobodyCan(context);
}

// --- Operators ---------------------------------------------------------------

void TrainingJob::Resolve(int64_t ordinal, bool skip, Context* context) {
  if (parts_.failures.Resolve(ordinal, skip, context)) MarksChanged(context);
}

void TrainingJob::Cancel(Context* context) {
  JobState& state = parts_.tables.state;
  parts_.mover.GiveUpAll("the job is cancelled", context);
  if (state.phase != JobPhase::kCancelled) {
    context->Tell(EventKind::kJobCancelled, id(),
                  absl::StrCat("job=", record()->name, " is cancelled"));
  }
  state.phase = JobPhase::kCancelled;
  parts_.tables.dirty = true;
  parts_.keeper.RevokeWhere([](ItemId) { return true; }, context);
}

absl::Status TrainingJob::Finish(std::optional<int64_t> examples,
                                 Context* context) {
  absl::Status ordered =
      parts_.finish.Order(examples.value_or(leases().reached()),
                          "an operator said so (ebb finish)", context);
  if (ordered.ok()) MarksChanged(context);
  return ordered;
}

absl::Status TrainingJob::EndPause(Context* context) {
  const absl::StatusOr<bool> goes_on = parts_.pauses.End(context);
  if (goes_on.ok() && *goes_on) MarksChanged(context);
  return goes_on.status();
}

// --- Time --------------------------------------------------------------------

std::vector<SessionId> TrainingJob::Tick(Context* context) {
  JobTables& job = parts_.tables;
  std::vector<SessionId> silent;
  if (!job.started) return silent;
  parts_.mover.Tick(context);
  parts_.data.Tick(context->now);
  parts_.takeover.TakeOver(context);
  parts_.mover.MoveOn(context);
  // While a server is away nobody can advance, and nobody is to blame.
  if (job.placement.AllRegistered()) {
    silent = parts_.held.RunOut(context);
    job.leases.ReopenUnconfirmed(context->now);
  }
  if (parts_.evaluations.Tick(context)) MarksChanged(context);
  return silent;
}

absl::Time TrainingJob::NextTick() const {
  if (!parts_.tables.started) return absl::InfiniteFuture();
  absl::Time next = absl::InfiniteFuture();
  if (placement().AllRegistered()) next = leases().NextExpiry();
  return std::min({next, parts_.evaluations.NextTick(), parts_.data.NextTick(),
                   parts_.mover.NextTick(), parts_.takeover.NextTick()});
}

}  // namespace ebb::scheduler
