// The status of a job; see status.h.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "protocol/known_loss.h"
#include "rpc/convert.h"
#include "scheduler/answers/explain.h"
#include "scheduler/answers/job_progress.h"
#include "scheduler/answers/status.h"
#include "scheduler/answers/stored_where.h"
#include "scheduler/job/course.h"

namespace ebb::scheduler {

namespace {

// 0 for one that has not come.
int64_t UnixMicros(absl::Time time) {
  return time == absl::InfiniteFuture() ? 0 : absl::ToUnixMicros(time);
}

void AddRecoveries(const TrainingJob& job, const JobWatch& watch,
                   v1::JobStatus* status) {
  for (const Recovery& one : watch.recoveries.list()) {
    v1::Recovery* out = status->add_recoveries();
    out->set_number(one.number);
    switch (one.kind) {
      case Recovery::Kind::kWorker:
        out->set_kind(v1::Recovery::KIND_WORKER);
        out->set_worker(one.worker);
        *out->mutable_item() = rpc::ToProto(job.plan().ItemAt(one.ordinal));
        break;
      case Recovery::Kind::kServer:
        out->set_kind(v1::Recovery::KIND_SERVER);
        out->set_server(one.server.value());
        break;
      case Recovery::Kind::kScheduler:
        out->set_kind(v1::Recovery::KIND_SCHEDULER);
        break;
    }
    out->set_lost_unix_us(UnixMicros(one.lost));
    out->set_resumed_unix_us(UnixMicros(one.resumed));
    out->set_counted_unix_us(UnixMicros(one.counted));
  }
}

v1::JobState StateOf(const SchedulerShell::Picture& picture,
                     const TrainingJob& job) {
  switch (job.state().phase) {
    case JobPhase::kPaused:
      return v1::JOB_STATE_PAUSED;
    case JobPhase::kCompleted:
      return v1::JOB_STATE_COMPLETE;
    case JobPhase::kCancelled:
      return v1::JOB_STATE_CANCELLED;
    case JobPhase::kRunning:
      break;
  }
  if (!job.parts().tables.started || !job.placement().AllRegistered()) {
    return v1::JOB_STATE_WAITING;
  }
  if (job.marks().AllApplied()) return v1::JOB_STATE_FLUSHING;
  return picture.core.cluster().workers.empty() ? v1::JOB_STATE_WAITING
                                                : v1::JOB_STATE_RUNNING;
}

// Something of it is to be applied yet, and may be.
bool HasWorkLeft(const TrainingJob& job) {
  return job.state().phase == JobPhase::kRunning && !job.marks().AllApplied();
}

void AddEvaluations(const TrainingJob& job, v1::JobStatus* status) {
  for (const Evaluation& evaluation : job.state().evaluations) {
    v1::JobStatus::Evaluation* out = status->add_evaluations();
    out->set_epoch(evaluation.epoch);
    out->set_examples(evaluation.examples);
    out->set_loss(evaluation.loss);
    out->set_accuracy(evaluation.accuracy);
    out->set_position(evaluation.position);
    out->set_error(evaluation.error);
    out->set_finished_unix_ms(evaluation.finished_us / 1000);
    if (evaluation.figures != Figures()) {
      *out->mutable_figures() = rpc::ToProto(evaluation.figures);
    }
  }
}

void AddBest(const TrainingJob& job, v1::JobStatus* status) {
  status->set_ended(job.state().ended);
  const Evaluation* kept = job.state().Kept();
  const std::string& figure = job.parts().tables.training_facts.keep_best;
  if (kept == nullptr || figure.empty()) return;
  v1::JobStatus::Best* best = status->mutable_best();
  best->set_epoch(kept->epoch);
  best->set_figure(figure);
  best->set_value(FigureOf(*kept, figure).value_or(0));
}

void AddShares(const SchedulerShell::Picture& picture, const TrainingJob& job,
               v1::JobStatus* status) {
  for (const auto& [name, examples] : job.parts().held.examples_by_worker()) {
    v1::JobStatus::WorkerShare* share = status->add_shares();
    share->set_name(name);
    share->set_examples(examples);
    for (const auto& [session, worker] : picture.core.cluster().workers) {
      if (worker.name == name) share->set_worker(session.value());
    }
  }
}

// An operation that closes a round knows the loss of all of it. Servers tell
// theirs from time to time, and not at all of a job that ends soon.
void AddLosses(const TrainingJob& job, v1::JobStatus* status) {
  std::map<int32_t, EpochLossSum> losses =
      job.parts().losses.statistics().losses;
  if (job.parts().tables.training_facts.least_loss) {
    if (losses.empty()) return;
    status->mutable_inertia()->set_epoch(-1);
    status->mutable_inertia()->set_sum(losses.begin()->second.loss_sum);
    return;
  }
  const std::map<int64_t, double> closed = job.parts().rounds.LossSums();
  for (const auto& [round, sum] : closed) {
    if (job.plan().RoundsPerEpoch() > 1) break;
    const auto epoch = static_cast<int32_t>(round);
    losses[epoch] = {
        .epoch = epoch, .loss_sum = sum, .examples = job.plan().examples};
  }
  for (const auto& [epoch, sum] : losses) {
    if (sum.examples == 0) continue;
    v1::JobStatus::EpochLoss* loss = status->add_losses();
    loss->set_epoch(epoch);
    loss->set_mean(IsKnownLoss(sum.loss_sum)
                       ? sum.loss_sum / static_cast<double>(sum.examples)
                       : std::numeric_limits<double>::quiet_NaN());
    loss->set_examples(sum.examples);
  }
  if (closed.empty()) return;
  const auto& [round, sum] = *closed.rbegin();
  status->mutable_inertia()->set_epoch(
      static_cast<int32_t>(round / job.plan().RoundsPerEpoch()));
  status->mutable_inertia()->set_sum(sum);
}

void AddValidation(const TrainingJob& job, v1::JobStatus* status) {
  const auto known = job.parts().rounds.LatestValidation();
  if (!known) return;
  v1::JobStatus::Validation* const validation = status->mutable_validation();
  validation->set_trees(known->trees);
  validation->set_loss(known->loss);
  validation->set_best_trees(known->best_trees);
  validation->set_best_loss(known->best_loss);
  validation->set_left(known->left);
}

// How far the partitions are, and how fast they get on.
void AddProgress(const SchedulerShell::Picture& picture, const TrainingJob& job,
                 v1::JobStatus* status) {
  const JobPlan& plan = job.plan();
  status->set_examples(plan.examples * plan.epochs);
  status->set_example_tokens(job.parts().tables.training_facts.example_tokens);
  int64_t least = std::numeric_limits<int64_t>::max(), most = 0;
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const int64_t applied = job.marks().marks(PartitionId(p)).examples();
    least = std::min(least, applied);
    most = std::max(most, applied);
  }
  status->set_applied_min(least);
  status->set_applied_max(most);
  if (plan.rounds()) status->set_closed_rounds(job.marks().RoundsClosed());
  const JobWatch* watch = picture.watch.job(job.id());
  if (watch == nullptr) return;
  // What is still in the window of one that ended was done before.
  if (HasWorkLeft(job) && picture.hears()) {
    status->set_examples_per_second(watch->applied.per_second());
  }
  status->set_leases_repeated(watch->leases_repeated);
  status->set_worker_us(absl::ToInt64Microseconds(watch->worker_time));
  status->set_lost_daemons(watch->recoveries.losses());
  AddRecoveries(job, *watch, status);
}

// Losses and evaluations, and what follows from them.
void AddResults(const TrainingJob& job, v1::JobStatus* status) {
  AddLosses(job, status);
  AddValidation(job, status);
  AddEvaluations(job, status);
  AddBest(job, status);
  status->set_squared_loss(job.parts().tables.training_facts.squared_loss);
  status->set_positive_class(job.parts().tables.training_facts.positive_class);
  status->set_divergence(job.parts().losses.DivergenceText());
  status->set_paused_for_divergence(job.parts().pauses.PausedForDivergence());
  status->set_late_updates(job.parts().losses.LateUpdatesText());
}

// The servers' reports of its updates.
void AddStatistics(const JobStatistics& statistics, v1::JobStatus* status) {
  status->set_updates(statistics.updates);
  if (statistics.recent_loss) status->set_recent_loss(*statistics.recent_loss);
  status->set_clock_lead(statistics.clock_lead);
  *status->mutable_traffic() = rpc::ToProto(statistics.traffic);
  if (statistics.scaled.updates > 0) {
    *status->mutable_scaled() = rpc::ToProto(statistics.scaled);
  }
  if (statistics.bound_wait) {
    status->set_bound_wait_us(
        absl::ToInt64Microseconds(*statistics.bound_wait));
  }
  status->mutable_staleness()->Add(statistics.staleness.begin(),
                                   statistics.staleness.end());
}

// Items that are quarantined, and ranges that an operator skipped.
void AddLeftOut(const TrainingJob& job, v1::JobStatus* status) {
  const JobPlan& plan = job.plan();
  const Poison& poison = job.parts().failures.poison();
  for (const int64_t ordinal : job.state().quarantined) {
    const ItemId item = plan.ItemAt(ordinal);
    const auto failed_at = poison.QuarantinedAt(ordinal);
    const int64_t position = failed_at.value_or(job.marks().LowestMark(item));
    v1::JobStatus::Quarantined* out = status->add_quarantined();
    *out->mutable_item() = rpc::ToProto(item);
    out->set_position(position);
    out->set_failed_end(failed_at ? plan.BatchEnd(item, position) : position);
    out->set_failures(poison.FailuresOf(ordinal));
    const QuarantineReason why = poison.WhyQuarantined(ordinal);
    out->set_error(why.text);
    out->set_non_finite(why.non_finite);
    out->set_applied_somewhere(poison.AppliedSomewhere(ordinal));
    out->set_skip_wanted(poison.SkipWanted(ordinal));
  }
  for (const SkippedRange& range : job.state().skipped) {
    *status->add_skipped() = rpc::ToProto(range);
  }
}

void AddRollbacks(const TrainingJob& job, v1::JobStatus* status) {
  status->set_rolled_back(job.state().rolled_back);
  status->set_rate_factor(job.state().rollback.rate_factor);
  status->set_nonfinite_rollbacks(job.state().rollback.nonfinite);
  for (const Fallback& fallback : job.parts().registrar.fallbacks().told()) {
    status->add_fell_back(fallback.Text(job.marks()));
  }
}

void AddWorkers(const SchedulerShell::Picture& picture, const TrainingJob& job,
                v1::JobStatus* status) {
  status->set_priority(job.plan().priority);
  status->set_workers(WorkersOf(picture, job));
  status->set_workers_wanted(WorkersWanted(job));
  status->set_workers_to_spare(WorkersToSpare(picture, job));
  status->set_min_workers(job.plan().min_workers);
  status->set_max_workers(job.parts().demand.max_workers());
  status->set_workers_scaled(job.state().scaled_workers >= 0);
  AddShares(picture, job, status);
}

// The partitions' servers, and their moves between servers.
void AddPlaces(const SchedulerShell::Picture& picture, const TrainingJob& job,
               v1::JobStatus* status) {
  status->set_partitions(job.plan().partitions);
  *status->mutable_placement() = rpc::ToProto(PlacementOf(picture, job));
  status->set_max_servers(job.state().servers);
  const Moves& moves = job.parts().moves;
  status->set_moving(static_cast<int32_t>(moves.underway().size()));
  status->set_moved(moves.completed());
  status->set_taken_over(job.parts().takeover.taken_over());
  for (const Moves::Pause& pause : moves.pauses()) {
    v1::MovePause* to = status->add_move_pauses();
    to->set_partition(pause.partition.value());
    to->set_server(pause.target.value());
    to->set_paused_us(absl::ToInt64Microseconds(pause.paused));
    to->set_stored_us(absl::ToInt64Microseconds(pause.stored));
  }
}

void AddBackups(const BackupCounts& backups, v1::JobStatus* status) {
  if (backups.leased == 0 && backups.moved == 0) return;
  v1::JobStatus::Backups* out = status->mutable_backups();
  out->set_leased(backups.leased);
  out->set_won(backups.won);
  out->set_lost(backups.lost);
  out->set_moved(backups.moved);
  out->set_computed_twice(backups.computed_twice);
}

void AddEpochTails(const EpochTailCounts& tails, v1::JobStatus* status) {
  if (tails.ends.empty()) return;
  v1::JobStatus::EpochTails* out = status->mutable_epoch_tails();
  out->set_epochs(static_cast<int64_t>(tails.ends.size()));
  for (const auto& [epoch, tail] : tails.ends) {
    v1::JobStatus::EpochTails::End* end = out->add_ends();
    end->set_epoch(epoch);
    end->set_us(absl::ToInt64Microseconds(tail));
  }
  out->set_sum_us(absl::ToInt64Microseconds(tails.sum));
  out->set_longest_us(absl::ToInt64Microseconds(tails.longest));
  out->set_slowest_batch_us(absl::ToInt64Microseconds(tails.slowest_batch));
}

}  // namespace

Placement PlacementOf(const SchedulerShell::Picture& picture,
                      const TrainingJob& job) {
  Placement placement;
  placement.job = job.id();
  placement.generation = job.state().generation;
  std::set<ServerId> servers;
  for (int32_t p = 0; p < job.plan().partitions; ++p) {
    const Ownership& one = job.placement().at(PartitionId(p));
    if (!one.registered) continue;
    placement.partitions.push_back(
        {PartitionId(p), one.owner, one.session, one.drawn});
    servers.insert(one.owner);
  }
  for (const ServerId server : servers) {
    placement.servers.push_back(
        {server, picture.core.cluster().servers.at(server).address});
  }
  return placement;
}

v1::JobSummary SummaryOf(const SchedulerShell::Picture& picture,
                         const TrainingJob& job) {
  v1::JobSummary summary;
  summary.set_job(job.id().value());
  summary.set_name(job.record()->name);
  summary.set_state(StateOf(picture, job));
  summary.set_generation(job.state().generation.value());
  summary.set_epochs(job.plan().epochs);
  summary.set_items(job.plan().items());
  summary.set_full_items(job.marks().full_everywhere());
  summary.set_durable_items(job.marks().durable_everywhere());
  // Ids are drawn from the clock, in microseconds.
  summary.set_submitted_unix_ms(static_cast<int64_t>(job.id().value() / 1000));
  const JobPhase phase = job.state().phase;
  if (phase == JobPhase::kCompleted || phase == JobPhase::kCancelled) {
    // The watch looks from time to time, and may not have seen the end yet.
    const JobWatch* watch = picture.watch.job(job.id());
    summary.set_finished_unix_ms(
        UnixMs(watch == nullptr ? picture.now
                                : std::min(watch->finished, picture.now)));
  }
  return summary;
}

v1::JobStatus StatusOf(const SchedulerShell::Picture& picture,
                       const TrainingJob& job) {
  v1::JobStatus status;
  *status.mutable_summary() = SummaryOf(picture, job);
  AddProgress(picture, job, &status);
  AddResults(job, &status);
  AddStatistics(job.parts().losses.statistics(), &status);
  AddLeftOut(job, &status);
  AddRollbacks(job, &status);
  AddWorkers(picture, job, &status);
  AddPlaces(picture, job, &status);
  AddBackups(job.parts().backups.counts(), &status);
  AddEpochTails(job.parts().offers.tails(), &status);
  for (v1::WaitReason& reason : ExplainJob(picture, job)) {
    *status.add_waiting() = std::move(reason);
  }
  status.set_stored_where(StoredWhere(job));
  status.set_paused_by_operator(job.state().paused_by_operator);
  return status;
}

}  // namespace ebb::scheduler
