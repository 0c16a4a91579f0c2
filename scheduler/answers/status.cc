#include "scheduler/answers/status.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "protocol/known_loss.h"
#include "rpc/convert.h"
#include "scheduler/answers/explain.h"
#include "scheduler/answers/job_progress.h"
#include "scheduler/answers/stored_where.h"
#include "scheduler/job/course.h"

namespace ebb::scheduler {

namespace {

// 0 for a time that is not known.
int64_t UnixMs(absl::Time time) {
  return time == absl::InfinitePast() || time == absl::InfiniteFuture()
             ? 0
             : absl::ToUnixMillis(time);
}

v1::Unreached UnreachedStatus(const std::string& who, JobId job,
                              const UnreachedServer& server, absl::Time now) {
  v1::Unreached out;
  out.set_who(who);
  out.set_job(job.value());
  PeerTrouble trouble = server.trouble;
  trouble.lasts = std::max(absl::ZeroDuration(), now - server.since);
  *out.mutable_trouble() = rpc::ToProto(trouble);
  return out;
}

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

// How many workers are parked until this one, the slowest of its view, goes on.
// Looked for only where it is not heard of: of many workers that takes long.
int32_t AwaitedBy(const SchedulerShell::Picture& picture,
                  const WorkerInfo& worker) {
  constexpr absl::Duration kUnheard = absl::Seconds(1);
  int32_t parked = 0;
  if (picture.now - worker.last_heard < kUnheard) return parked;
  for (const auto& [id, job] : picture.core.jobs()) {
    if (!job->plan().clocked() || job->parts().tables.over() ||
        !job->parts().view.view().Contains(worker.session) ||
        job->parts().view.view().Slowest() != worker.session) {
      continue;
    }
    for (const auto& [session, other] : picture.core.cluster().workers) {
      if (other.parked && session != worker.session &&
          job->parts().view.view().Contains(session)) {
        ++parked;
      }
    }
  }
  return parked;
}

v1::Event::Kind ToProto(EventKind kind) {
  switch (kind) {
    case EventKind::kWorkerUp:
      return v1::Event::KIND_WORKER_UP;
    case EventKind::kWorkerLost:
      return v1::Event::KIND_WORKER_LOST;
    case EventKind::kWorkerLeft:
      return v1::Event::KIND_WORKER_LEFT;
    case EventKind::kWorkerSilent:
      return v1::Event::KIND_WORKER_SILENT;
    case EventKind::kServerUp:
      return v1::Event::KIND_SERVER_UP;
    case EventKind::kServerAway:
      return v1::Event::KIND_SERVER_AWAY;
    case EventKind::kServerLeft:
      return v1::Event::KIND_SERVER_LEFT;
    case EventKind::kMoved:
      return v1::Event::KIND_MOVED;
    case EventKind::kJobSubmitted:
      return v1::Event::KIND_JOB_SUBMITTED;
    case EventKind::kJobPaused:
      return v1::Event::KIND_JOB_PAUSED;
    case EventKind::kJobGoesOn:
      return v1::Event::KIND_JOB_GOES_ON;
    case EventKind::kJobScaled:
      return v1::Event::KIND_JOB_SCALED;
    case EventKind::kJobChanged:
      return v1::Event::KIND_JOB_CHANGED;
    case EventKind::kJobRolledBack:
      return v1::Event::KIND_JOB_ROLLED_BACK;
    case EventKind::kJobReopened:
      return v1::Event::KIND_JOB_REOPENED;
    case EventKind::kJobComplete:
      return v1::Event::KIND_JOB_COMPLETE;
    case EventKind::kJobCancelled:
      return v1::Event::KIND_JOB_CANCELLED;
    case EventKind::kJobForgotten:
      return v1::Event::KIND_JOB_FORGOTTEN;
    case EventKind::kQuarantine:
      return v1::Event::KIND_QUARANTINE;
    case EventKind::kSkip:
      return v1::Event::KIND_SKIP;
    case EventKind::kEvaluation:
      return v1::Event::KIND_EVALUATION;
    case EventKind::kLogOnly:
      break;
  }
  return v1::Event::KIND_UNSPECIFIED;
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

v1::JobStatus StatusOf(const SchedulerShell::Picture& picture,
                       const TrainingJob& job) {
  const JobPlan& plan = job.plan();
  v1::JobStatus status;
  *status.mutable_summary() = SummaryOf(picture, job);
  status.set_examples(plan.examples * plan.epochs);
  int64_t least = std::numeric_limits<int64_t>::max(), most = 0;
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const int64_t applied = job.marks().marks(PartitionId(p)).examples();
    least = std::min(least, applied);
    most = std::max(most, applied);
  }
  status.set_applied_min(least);
  status.set_applied_max(most);
  if (const JobWatch* watch = picture.watch.job(job.id())) {
    // What is still in the window of one that ended was done before.
    if (HasWorkLeft(job)) {
      status.set_examples_per_second(watch->applied.per_second());
    }
    status.set_leases_repeated(watch->leases_repeated);
    status.set_worker_us(absl::ToInt64Microseconds(watch->worker_time));
    status.set_lost_daemons(watch->recoveries.losses());
    AddRecoveries(job, *watch, &status);
  }
  const JobStatistics& statistics = job.parts().losses.statistics();
  status.set_updates(statistics.updates);
  if (statistics.recent_loss) status.set_recent_loss(*statistics.recent_loss);
  AddLosses(job, &status);
  AddValidation(job, &status);
  AddEvaluations(job, &status);
  AddBest(job, &status);
  status.set_squared_loss(job.parts().tables.training_facts.squared_loss);
  status.set_positive_class(job.parts().tables.training_facts.positive_class);
  status.set_divergence(job.parts().losses.DivergenceText());
  status.set_paused_for_divergence(job.parts().pauses.PausedForDivergence());
  status.set_clock_lead(statistics.clock_lead);
  *status.mutable_traffic() = rpc::ToProto(statistics.traffic);
  if (statistics.scaled.updates > 0) {
    *status.mutable_scaled() = rpc::ToProto(statistics.scaled);
  }
  if (statistics.bound_wait) {
    status.set_bound_wait_us(absl::ToInt64Microseconds(*statistics.bound_wait));
  }
  status.set_late_updates(job.parts().losses.LateUpdatesText());
  status.mutable_staleness()->Add(statistics.staleness.begin(),
                                  statistics.staleness.end());
  *status.mutable_placement() = rpc::ToProto(PlacementOf(picture, job));
  status.set_partitions(plan.partitions);
  AddShares(picture, job, &status);
  for (const int64_t ordinal : job.state().quarantined) {
    const ItemId item = plan.ItemAt(ordinal);
    const auto failed_at = job.parts().failures.poison().QuarantinedAt(ordinal);
    const int64_t position = failed_at.value_or(job.marks().LowestMark(item));
    v1::JobStatus::Quarantined* out = status.add_quarantined();
    *out->mutable_item() = rpc::ToProto(item);
    out->set_position(position);
    out->set_failed_end(failed_at ? plan.BatchEnd(item, position) : position);
    out->set_failures(job.parts().failures.poison().FailuresOf(ordinal));
    const QuarantineReason why =
        job.parts().failures.poison().WhyQuarantined(ordinal);
    out->set_error(why.text);
    out->set_non_finite(why.non_finite);
    out->set_applied_somewhere(
        job.parts().failures.poison().AppliedSomewhere(ordinal));
    out->set_skip_wanted(job.parts().failures.poison().SkipWanted(ordinal));
  }
  for (const SkippedRange& range : job.state().skipped) {
    *status.add_skipped() = rpc::ToProto(range);
  }
  for (v1::WaitReason& reason : ExplainJob(picture, job)) {
    *status.add_waiting() = std::move(reason);
  }
  status.set_stored_where(StoredWhere(job));
  status.set_rolled_back(job.state().rolled_back);
  status.set_rate_factor(job.state().rollback.rate_factor);
  status.set_nonfinite_rollbacks(job.state().rollback.nonfinite);
  for (const Fallback& fallback : job.parts().registrar.fallbacks().told()) {
    status.add_fell_back(fallback.Text(job.marks()));
  }
  if (plan.rounds()) status.set_closed_rounds(job.marks().RoundsClosed());
  status.set_priority(plan.priority);
  status.set_workers(WorkersOf(picture, job));
  status.set_workers_wanted(WorkersWanted(job));
  status.set_workers_to_spare(WorkersToSpare(picture, job));
  status.set_min_workers(plan.min_workers);
  status.set_max_workers(job.parts().demand.max_workers());
  status.set_workers_scaled(job.state().scaled_workers >= 0);
  status.set_paused_by_operator(job.state().paused_by_operator);
  status.set_max_servers(job.state().servers);
  status.set_moving(static_cast<int32_t>(job.parts().moves.underway().size()));
  status.set_moved(job.parts().moves.completed());
  status.set_taken_over(job.parts().takeover.taken_over());
  for (const Moves::Pause& pause : job.parts().moves.pauses()) {
    v1::MovePause* to = status.add_move_pauses();
    to->set_partition(pause.partition.value());
    to->set_server(pause.target.value());
    to->set_paused_us(absl::ToInt64Microseconds(pause.paused));
    to->set_stored_us(absl::ToInt64Microseconds(pause.stored));
  }
  const BackupCounts& backups = job.parts().backups.counts();
  if (backups.leased > 0 || backups.moved > 0) {
    v1::JobStatus::Backups* out = status.mutable_backups();
    out->set_leased(backups.leased);
    out->set_won(backups.won);
    out->set_lost(backups.lost);
    out->set_moved(backups.moved);
    out->set_computed_twice(backups.computed_twice);
  }
  if (const EpochTailCounts& tails = job.parts().offers.tails();
      !tails.ends.empty()) {
    v1::JobStatus::EpochTails* out = status.mutable_epoch_tails();
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
  return status;
}

// How many examples, at most, because it came back with less.
int64_t ComputedAgainFor(const SchedulerShell::Picture& picture,
                         const ServerInfo& server) {
  int64_t examples = 0;
  for (const auto& [id, job] : picture.core.jobs()) {
    for (const Fallback& fallback : job->parts().registrar.fallbacks().told()) {
      if (fallback.session == server.session) examples += fallback.most_lost;
    }
  }
  return examples;
}

void AddEvents(const SchedulerShell::Picture& picture, JobId job,
               v1::GetStatusResponse* response) {
  for (const PastEvent& past : picture.watch.events().all()) {
    if (job != JobId() && past.what.job != JobId() && past.what.job != job) {
      continue;
    }
    v1::Event* event = response->add_events();
    event->set_number(past.number);
    event->set_unix_ms(UnixMs(past.when));
    event->set_kind(ToProto(past.what.kind));
    event->set_job(past.what.job.value());
    event->set_subject(past.what.subject);
    event->set_text(past.what.text);
  }
}

v1::ServerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const ServerInfo& server) {
  v1::ServerStatus status;
  status.set_server(server.id.value());
  status.set_session(server.session.value());
  status.set_address(server.address);
  status.set_process_id(server.process_id);
  status.set_connected(server.connected);
  status.set_leaving(server.leaving);
  status.set_lost_store(server.lost_store);
  status.set_since_unix_ms(UnixMs(server.since));
  for (const auto& [id, job] : picture.core.jobs()) {
    for (int32_t p = 0; p < job->plan().partitions; ++p) {
      const Ownership& one = job->placement().at(PartitionId(p));
      if (one.registered && one.owner == server.id) {
        status.set_partitions(status.partitions() + 1);
      }
    }
  }
  if (picture.now - server.refused_at < kPushesBack) {
    status.set_problem(server.refusal);
  }
  if (server.store_damage.any()) {
    *status.mutable_store_damage() = rpc::ToProto(server.store_damage);
    status.set_store_damage_cost(ComputedAgainFor(picture, server));
  }
  for (const auto& [id, report] : server.reports) {
    status.set_updates(status.updates() + report.updates);
    if (!report.problem.empty()) status.set_problem(report.problem);
    if (picture.now - report.refused_at < kPushesBack) {
      status.set_refused_pushes(status.refused_pushes() +
                                report.refused_pushes);
      status.set_refusal(report.refusal);
    }
  }
  for (const auto& [session, worker] : picture.core.cluster().workers) {
    for (const auto& [job, unreached] : worker.unreached) {
      for (const UnreachedServer& one : unreached) {
        if (one.trouble.server != server.id) continue;
        *status.add_unreached_by() =
            UnreachedStatus(worker.name, job, one, picture.now);
      }
    }
  }
  for (const auto& [id, job] : picture.core.jobs()) {
    for (const auto& [target, avoid] : job->parts().moves.avoid()) {
      if (!avoid.unreached) continue;
      const ServerId source = avoid.unreached->trouble.server;
      if (target != server.id && source != server.id) continue;
      *(target == server.id ? status.add_unreached()
                            : status.add_unreached_by()) =
          UnreachedStatus(absl::StrCat("ps-", target.value()), id,
                          *avoid.unreached, picture.now);
    }
  }
  return status;
}

v1::WorkerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const WorkerInfo& worker) {
  v1::WorkerStatus status;
  status.set_session(worker.session.value());
  status.set_name(worker.name);
  status.set_process_id(worker.process_id);
  status.set_since_unix_ms(UnixMs(worker.since));
  status.set_clock(std::max<int64_t>(0, worker.clock));
  status.set_examples(worker.examples);
  status.set_job(worker.job.value());
  status.set_unheard_ms(std::max<int64_t>(
      0, absl::ToInt64Milliseconds(picture.now - worker.last_heard)));
  status.set_awaited_by(AwaitedBy(picture, worker));
  for (const auto& [id, job] : picture.core.jobs()) {
    for (const int64_t ordinal : job->leases().HeldBy(worker.session)) {
      const LeaseTable::Held& held =
          *job->leases().Find(ordinal, worker.session);
      const ItemId item = job->plan().ItemAt(ordinal);
      v1::WorkerStatus::Item* out = status.add_items();
      out->set_job(id.value());
      *out->mutable_item() = rpc::ToProto(item);
      out->set_position(held.position);
      out->set_size(job->plan().ItemSize(item));
      out->set_backup(job->leases().backups().contains(ordinal));
      out->set_lease_left_ms(std::max<int64_t>(
          0, absl::ToInt64Milliseconds(held.expires - picture.now)));
    }
  }
  const bool evaluates = std::any_of(
      picture.core.jobs().begin(), picture.core.jobs().end(),
      [&](const auto& one) {
        return one.second->parts().evaluations.Evaluates(worker.session);
      });
  status.set_state(worker.draining ? v1::WorkerStatus::STATE_DRAINING
                   : evaluates     ? v1::WorkerStatus::STATE_EVALUATING
                   : worker.silent ? v1::WorkerStatus::STATE_SILENT
                   : !worker.cut_off.empty() && status.items().empty()
                       ? v1::WorkerStatus::STATE_CUT_OFF
                   : status.items().empty() ? v1::WorkerStatus::STATE_IDLE
                   : worker.parked          ? v1::WorkerStatus::STATE_PARKED
                                            : v1::WorkerStatus::STATE_WORKING);
  for (const auto& [job, servers] : worker.unreached) {
    for (const UnreachedServer& server : servers) {
      *status.add_unreached() =
          UnreachedStatus(worker.name, job, server, picture.now);
    }
  }
  const bool does_nothing = status.state() == v1::WorkerStatus::STATE_IDLE ||
                            status.state() == v1::WorkerStatus::STATE_CUT_OFF ||
                            status.state() == v1::WorkerStatus::STATE_SILENT;
  if (const WorkerWatch* watch = picture.watch.worker(worker.session);
      watch != nullptr && !does_nothing) {
    status.set_examples_per_second(watch->examples.per_second());
  }
  return status;
}

}  // namespace ebb::scheduler
