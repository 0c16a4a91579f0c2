#include "scheduler/training_job.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::scheduler {

namespace {

constexpr int kEvaluationAttempts = 5;
// Of each report, how much of the loss of before still counts.
constexpr double kLossDecay = 0.7;

}  // namespace

TrainingJob::TrainingJob(const SchedulerOptions& options, JobRecordPtr record,
                         JobState state)
    : options_(options),
      record_(std::move(record)),
      state_(std::move(state)),
      placement_(record_->plan.partitions),
      marks_(record_->plan),
      leases_(record_->plan, marks_),
      kept_(record_->plan.rounds() ? record_->plan.partitions : 0) {
  state_.owners.resize(placement_.size(), Ownership::kNobody);
  for (int32_t p = 0; p < placement_.size(); ++p) {
    placement_.at(PartitionId(p)).owner = state_.owners[p];
  }
  for (const int64_t ordinal : state_.quarantined) leases_.Quarantine(ordinal);
}

// --- Placement
// ------------------------------------------------------------------

// Partitions that nobody owns are dealt out evenly over the servers that are
// there.
void TrainingJob::AssignOwners(Context* context) {
  std::map<ServerId, int64_t> load;
  for (const auto& [id, server] : context->cluster->servers) {
    if (server.connected) load[id] = 0;
  }
  if (load.empty() ||
      static_cast<int32_t>(load.size()) < options_.min_servers) {
    return;
  }
  std::vector<PartitionId> free;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    const ServerId owner = placement_.at(PartitionId(p)).owner;
    if (owner == Ownership::kNobody) {
      free.emplace_back(p);
    } else if (load.contains(owner)) {
      ++load[owner];
    }
  }
  for (const PartitionId p : free) {
    const auto least = std::min_element(
        load.begin(), load.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    placement_.at(p).owner = least->first;
    state_.owners[p.value()] = least->first;
    ++least->second;
    dirty_ = true;
  }
}

void TrainingJob::Start(Context* context) {
  started_ = true;
  AssignOwners(context);
  GrantAll(context);
}

void TrainingJob::GrantAll(Context* context) {
  std::vector<PartitionId> all;
  for (int32_t p = 0; p < placement_.size(); ++p) all.emplace_back(p);
  GrantAnew(all, context);
}

void TrainingJob::GrantAnew(const std::vector<PartitionId>& partitions,
                            Context* context) {
  std::map<ServerId, Grant> grants;
  for (const PartitionId p : partitions) {
    const Ownership& one = placement_.at(p);
    const auto server = context->cluster->servers.find(one.owner);
    if (server == context->cluster->servers.end() ||
        !server->second.connected) {
      placement_.Unregistered(p);  // Granted when its owner registers.
      continue;
    }
    const Term term = EBB_PLANTED(terms_reused)
                          ? Term(one.drawn.value() + 1)
                          : Term(context->numbers->Draw(context->now));
    placement_.Drawn(p, one.owner, server->second.session, term);
    Grant& grant = grants[one.owner];
    grant.partitions.push_back({p, term, one.parent});
  }
  for (auto& [id, grant] : grants) {
    const ServerInfo& server = context->cluster->servers.at(id);
    grant.server = id;
    grant.session = server.session;
    grant.record = record_;
    grant.generation = state_.generation;
    grant.rollback = state_.rollback;
    for (const auto& [other, info] : context->cluster->servers) {
      grant.known_servers.push_back(other);
    }
    context->ToServer(server, std::move(grant));
  }
}

// A newer generation than ours means that our store is old: theirs holds.
bool TrainingJob::AcceptGeneration(const JobRegistration& registration,
                                   Context* context) {
  if (registration.generation < state_.generation) return false;
  if (registration.generation == state_.generation) return true;
  if (EBB_PLANTED(scheduler_ignores_newer_generations)) return false;
  context->Log(absl::StrCat("job=", record_->name,
                            " adopts the newer generation ",
                            registration.generation.value()));
  context->numbers->Met(registration.generation.value());
  BeginGeneration(registration.generation, registration.rollback, context);
  return true;
}

void TrainingJob::BeginGeneration(Generation generation,
                                  RollbackRecord rollback, Context* context) {
  RevokeLeases([](ItemId) { return true; }, context);
  state_.generation = generation;
  state_.rollback = std::move(rollback);
  dirty_ = true;
  marks_ = MarkTable(plan());
  leases_ = LeaseTable(plan(), marks_);
  for (const int64_t ordinal : state_.quarantined) leases_.Quarantine(ordinal);
  std::erase_if(state_.failed_at, [this](const auto& one) {
    return std::count(state_.quarantined.begin(), state_.quarantined.end(),
                      one.first) == 0;
  });
  state_.failures.clear();
  returned_at_.clear();
  fell_back_.clear();
  fallbacks_.clear();  // Of a history that is no more.
  rounds_.reset();
  final_checkpoint_asked_ = false;
  round_checkpoint_asked_ = -1;
  evaluation_.reset();  // Its snapshot is of values that are no more.
  if (!started_) return;
  GrantAll(context);
}

bool TrainingJob::RollBackIfNeeded(Context* context) {
  for (int32_t p = 0; p < placement_.size(); ++p) {
    kept_[p].live.open = marks_.marks(PartitionId(p)).first_open_round();
  }
  auto rollback = DecideRollback(kept_);
  if (!rollback || state_.phase == JobPhase::kCancelled) return false;
  const Generation generation(context->numbers->Draw(context->now));
  state_.rolled_back =
      absl::StrCat("from round ", rollback->from_round, " to round ",
                   rollback->to_round, ": ", rollback->why);
  context->Log(absl::StrCat("job=", record_->name, " rolls back ",
                            state_.rolled_back, ". It is generation ",
                            generation.value(),
                            "; what is missing is computed again."));
  if (state_.phase == JobPhase::kCompleted) state_.phase = JobPhase::kRunning;
  // Evaluations of epochs that are open again are made again.
  const int64_t epoch = rollback->to_round / plan().RoundsPerEpoch();
  std::erase_if(state_.evaluations, [&](const Evaluation& evaluation) {
    return evaluation.epoch >= epoch;
  });
  BeginGeneration(generation, std::move(rollback->record), context);
  return true;
}

void TrainingJob::ServerRegistered(const ServerInfo& server,
                                   const JobRegistration* registration,
                                   Context* context) {
  std::vector<bool> believed(placement_.size());
  const bool same_generation =
      registration != nullptr && AcceptGeneration(*registration, context);
  if (registration != nullptr) {
    for (const PartitionRegistration& one : registration->partitions) {
      context->numbers->Met(one.term.value());
      if (!same_generation || one.partition.value() < 0 ||
          one.partition.value() >= placement_.size()) {
        continue;
      }
      Ownership& known = placement_.at(one.partition);
      if (one.term > known.drawn) {
        // It was granted by a scheduler we do not remember.
        known.drawn = one.term;
        known.owner = server.id;
        state_.owners[one.partition.value()] = server.id;
        dirty_ = true;
      }
      if (known.owner != server.id) continue;
      if (one.serving && one.term >= known.parent) known.parent = one.term;
      believed[one.partition.value()] =
          started_ && Believe(server, one, context);
    }
  }
  // What was asked of the server before it was away may be lost.
  final_checkpoint_asked_ = false;
  round_checkpoint_asked_ = -1;
  if (!started_) return;
  AssignOwners(context);
  std::vector<PartitionId> anew;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    if (placement_.at(PartitionId(p)).owner == server.id && !believed[p]) {
      anew.emplace_back(p);
    } else if (!placement_.at(PartitionId(p)).registered &&
               placement_.at(PartitionId(p)).session == SessionId()) {
      anew.emplace_back(p);  // Assigned just now, maybe to another server.
    }
  }
  GrantAnew(anew, context);
  SendView(server, context);
  if (rounds_) context->ToServer(server, *rounds_);
  TellFallbacks(context);
  MarksChanged(context);
}

bool TrainingJob::Believe(const ServerInfo& server,
                          const PartitionRegistration& one, Context* context) {
  const Ownership& known = placement_.at(one.partition);
  if (!one.serving || one.term != known.drawn || known.owner != server.id ||
      known.session != server.session) {
    return false;
  }
  auto marks = MarkSet::Decode(plan(), one.marks);
  auto durable = one.durable_marks.empty()
                     ? absl::StatusOr<MarkSet>(MarkSet(plan()))
                     : MarkSet::Decode(plan(), one.durable_marks);
  if (!marks.ok() || !durable.ok()) {
    context->Log(absl::StrCat(
        "job=", record_->name, " server=", server.id.value(),
        " sent unusable marks: ",
        (marks.ok() ? durable.status() : marks.status()).message()));
    return false;
  }
  const bool was_whole = placement_.AllRegistered();
  placement_.Registered(one.partition);
  if (!was_whole && placement_.AllRegistered()) {
    // Nobody could advance while a server was away.
    leases_.RenewAll(context->now + options_.lease_ttl);
    if (evaluation_) {
      // The snapshot may have died with the server, and no worker is to blame.
      evaluation_->worker = SessionId();
      BeginSnapshot(context);
    }
  }
  if (const int64_t had = marks_.marks(one.partition).examples();
      marks->examples() < had) {
    fell_back_[server.id].emplace_back(one.partition, had);
  }
  marks_.Replace(one.partition, *std::move(marks), *std::move(durable),
                 [&](int64_t ordinal) { leases_.FullChanged(ordinal); });
  if (plan().rounds()) {
    PartitionRounds& kept = kept_[one.partition.value()];
    kept.live.oldest = one.oldest_round;
    kept.stored = one.stored;
  }
  AdoptSkips(one.skipped, context);
  return true;
}

void TrainingJob::TellFallbacks(Context* context) {
  if (!placement_.AllRegistered()) return;
  for (auto& [id, partitions] : std::exchange(fell_back_, {})) {
    int64_t most_lost = 0, all_left = 0;
    std::string list;
    std::sort(partitions.begin(), partitions.end());
    for (const auto& [p, had] : partitions) {
      const int64_t has = marks_.marks(p).examples();
      most_lost = std::max(most_lost, had - has);
      all_left += has;
      absl::StrAppend(&list, list.empty() ? "" : ", ", p.value(), " (", has,
                      " of ", had, ")");
    }
    Fallback& fallback = FallbackOf(id);
    fallback.text = absl::StrCat(
        "ps ", id.value(), " came back with ",
        all_left == 0 ? "nothing of what its partitions had"
                      : "less than its partitions had",
        ": up to ", most_lost,
        " examples are computed again; partitions (examples now of before) ",
        list);
    fallback.examples = std::move(partitions);
    context->Log(absl::StrCat("job=", record_->name, " ", fallback.text));
  }
}

Fallback& TrainingJob::FallbackOf(ServerId server) {
  for (Fallback& one : fallbacks_) {
    if (one.server == server) return one;
  }
  fallbacks_.push_back({server, "", {}});
  return fallbacks_.back();
}

bool TrainingJob::MadeUpFor(const Fallback& fallback) const {
  return std::all_of(fallback.examples.begin(), fallback.examples.end(),
                     [this](const auto& one) {
                       return marks_.marks(one.first).examples() >= one.second;
                     });
}

void TrainingJob::AdoptSkips(const std::vector<SkippedRange>& ranges,
                             Context* context) {
  for (const SkippedRange& range : ranges) {
    if (!plan().HasItem(range.item) ||
        std::find(state_.skipped.begin(), state_.skipped.end(), range) !=
            state_.skipped.end()) {
      continue;
    }
    context->Log(
        absl::StrCat("job=", record_->name, " skips examples [", range.begin,
                     ", ", range.end, ") of item ", ToString(range.item),
                     ": it was decided before, and a server remembers it"));
    state_.skipped.push_back(range);
    dirty_ = true;
    // Whoever works on the item has a lease that says nothing of it.
    const auto held = leases_.held().find(plan().Ordinal(range.item));
    if (held != leases_.held().end()) {
      SendLease(held->second.worker, held->first, context);
    }
  }
}

void TrainingJob::PartitionsRegistered(const ServerInfo& server,
                                       const JobRegistration& registration,
                                       Context* context) {
  if (!AcceptGeneration(registration, context)) return;
  bool changed = false;
  std::vector<PartitionId> anew;
  for (const PartitionRegistration& one : registration.partitions) {
    if (one.partition.value() < 0 ||
        one.partition.value() >= placement_.size()) {
      continue;
    }
    context->numbers->Met(one.term.value());
    Ownership& known = placement_.at(one.partition);
    if (one.term > known.drawn) {
      known.drawn = one.term;
      if (known.owner == server.id) anew.push_back(one.partition);
      continue;
    }
    changed = Believe(server, one, context) || changed;
  }
  if (started_) GrantAnew(anew, context);
  if (changed) {
    TellFallbacks(context);
    PlacementChanged(context);
    MarksChanged(context);
  }
}

void TrainingJob::ServerLost(const ServerInfo& server, Context* context) {
  for (int32_t p = 0; p < placement_.size(); ++p) {
    if (placement_.at(PartitionId(p)).owner == server.id) {
      placement_.Unregistered(PartitionId(p));
    }
  }
}

// Workers in the job learn where its partitions are now; those that were
// refused wait for it.
void TrainingJob::PlacementChanged(Context* context) {
  if (!placement_.AllRegistered()) return;
  std::set<SessionId> workers;
  for (const auto& [ordinal, lease] : leases_.held()) {
    workers.insert(lease.worker);
  }
  if (evaluation_ && evaluation_->worker != SessionId()) {
    workers.insert(evaluation_->worker);
  }
  for (const SessionId worker : workers) SendPlacement(worker, context);
}

void TrainingJob::SendPlacement(SessionId worker, Context* context) {
  Placement message;
  message.job = id();
  message.generation = state_.generation;
  std::set<ServerId> servers;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    const Ownership& one = placement_.at(PartitionId(p));
    if (!one.registered) continue;
    message.partitions.push_back(
        {PartitionId(p), one.owner, one.session, one.drawn});
    servers.insert(one.owner);
  }
  for (const ServerId server : servers) {
    message.servers.push_back(
        {server, context->cluster->servers.at(server).address});
  }
  context->ToWorker(worker, std::move(message));
}

// --- Marks
// ----------------------------------------------------------------------

void TrainingJob::Marks(const ServerInfo& server, const MarkReport& report,
                        Context* context) {
  if (report.generation != state_.generation) return;
  for (const PartitionMarkReport& one : report.partitions) {
    if (one.partition.value() < 0 ||
        one.partition.value() >= placement_.size()) {
      continue;
    }
    const Ownership& known = placement_.at(one.partition);
    if (!known.registered || known.owner != server.id ||
        known.session != server.session || known.drawn != one.term) {
      continue;  // Of a term that is no longer, or not yet, believed.
    }
    marks_.Raise(one.partition, one.marks, one.durable,
                 [&](int64_t ordinal) { leases_.FullChanged(ordinal); });
    if (plan().rounds() && !one.stored.empty()) {
      kept_[one.partition.value()].stored = one.stored;
    }
  }
  MarksChanged(context);
}

void TrainingJob::MarksChanged(Context* context) {
  if (!placement_.AllRegistered()) return;
  if (plan().rounds()) {
    if (RollBackIfNeeded(context)) return;
    TellRounds(context);
  }
  StartEvaluation(context);
  if (!marks_.AllApplied()) {
    final_checkpoint_asked_ = false;
    if (state_.phase == JobPhase::kCompleted &&
        !EBB_PLANTED(items_reopen_only_until_completion)) {
      context->Log(absl::StrCat(
          "job=", record_->name,
          " was complete, but a server came back with less: its storage was "
          "damaged. The job is open again; what is missing is recomputed."));
      state_.phase = JobPhase::kRunning;
      dirty_ = true;
    }
    return;
  }
  if (state_.phase != JobPhase::kRunning) return;
  if (!marks_.Complete() && !EBB_PLANTED(complete_when_applied)) {
    if (!final_checkpoint_asked_) RequestCheckpoint(context);
    final_checkpoint_asked_ = true;
    return;
  }
  if (evaluation_ || NextEvaluationEpoch() < plan().epochs) return;
  state_.phase = JobPhase::kCompleted;
  dirty_ = true;
  context->Log(absl::StrCat("job=", record_->name, " is complete"));
  ToOwners(JobCompleted{id(), state_.generation}, context);
}

void TrainingJob::TellRounds(Context* context) {
  const RoundStatus now{id(), state_.generation, marks_.RoundsClosed(),
                        marks_.RoundsDurable()};
  if (rounds_ && rounds_->closed_everywhere == now.closed_everywhere &&
      rounds_->durable_everywhere == now.durable_everywhere) {
    return;
  }
  // The first time whatever it is: servers may believe an earlier scheduler's,
  // and workers may hold what it leased. Else a server came back with an older
  // round: workers that wait for later ones hold all they may, and nobody could
  // take what is open again.
  if (!rounds_ || now.closed_everywhere < rounds_->closed_everywhere) {
    RevokeLeases(
        [&](ItemId item) {
          return plan().RoundOf(item) > now.closed_everywhere;
        },
        context);
  }
  rounds_ = now;
  ToOwners(now, context);
}

void TrainingJob::RevokeLeases(absl::FunctionRef<bool(ItemId item)> which,
                               Context* context) {
  for (const auto& [ordinal, lease] : std::map(leases_.held())) {
    const ItemId item = plan().ItemAt(ordinal);
    if (!which(item)) continue;
    context->ToWorker(lease.worker, LeaseLost{id(), state_.generation, item});
    leases_.Release(ordinal, lease.worker);
  }
}

void TrainingJob::RequestCheckpoint(Context* context) {
  ToOwners(CheckpointNow{id()}, context);
}

void TrainingJob::ToOwners(const SchedulerToServer& message, Context* context) {
  std::set<ServerId> owners;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    owners.insert(placement_.at(PartitionId(p)).owner);
  }
  for (const ServerId owner : owners) {
    const auto it = context->cluster->servers.find(owner);
    if (it != context->cluster->servers.end()) {
      context->ToServer(it->second, message);
    }
  }
}

void TrainingJob::Statistics(const ServerStatistics& statistics) {
  statistics_.updates += statistics.updates;
  auto& histogram = statistics_.staleness;
  if (histogram.size() < statistics.staleness.size()) {
    histogram.resize(statistics.staleness.size());
  }
  for (size_t i = 0; i < statistics.staleness.size(); ++i) {
    histogram[i] += statistics.staleness[i];
  }
  for (const EpochLossSum& loss : statistics.losses) {
    if (loss.epoch < plan().epochs) statistics_.losses[loss.epoch] = loss;
  }
  if (statistics.loss_examples == 0) return;
  statistics_.loss_sum =
      statistics_.loss_sum * kLossDecay + statistics.loss_sum;
  statistics_.loss_examples = statistics_.loss_examples * kLossDecay +
                              static_cast<double>(statistics.loss_examples);
}

// --- Leases
// ---------------------------------------------------------------------

bool TrainingJob::MayLease(int64_t ordinal, Context* context) {
  if (!plan().rounds()) return true;
  const int64_t round = plan().RoundOf(plan().ItemAt(ordinal));
  if (!rounds_ || round > rounds_->closed_everywhere) return false;
  if (round - plan().consistency.rounds_in_memory <
      rounds_->durable_everywhere) {
    return true;
  }
  // The servers hold as many values as they may: they must be stored first.
  if (round_checkpoint_asked_ != round) {
    round_checkpoint_asked_ = round;
    RequestCheckpoint(context);
  }
  return false;
}

bool TrainingJob::HasBegun(const Cluster& cluster) const {
  if (begun_ || marks_.marks(PartitionId(0)).examples() > 0) return true;
  return cluster.WorkersFor(id()) >= plan().min_workers;
}

bool TrainingJob::Offer(WorkerInfo* worker, Context* context) {
  if (!started_ || !placement_.AllRegistered()) return false;
  if (evaluation_ && evaluation_->worker == SessionId() &&
      !worker->no_evaluations &&
      static_cast<int32_t>(evaluation_->pinned.size()) == placement_.size()) {
    evaluation_->worker = worker->session;
    evaluation_->deadline = context->now + options_.evaluation_timeout;
    SendPlacement(worker->session, context);
    context->ToWorker(
        worker->session,
        EvaluationLease{record_, state_.generation, evaluation_->snapshot,
                        evaluation_->epoch});
  }
  if (worker->wants <= 0 || state_.phase != JobPhase::kRunning) return false;
  begun_ = HasBegun(*context->cluster);
  if (!begun_) return false;
  const auto ordinal = leases_.LowestOpen();
  if (!ordinal || !MayLease(*ordinal, context)) return false;
  const bool first = leases_.HeldBy(worker->session).empty();
  if (first && plan().max_workers > 0) {
    std::set<SessionId> holders;
    for (const auto& [held, lease] : leases_.held()) {
      holders.insert(lease.worker);
    }
    if (static_cast<int32_t>(holders.size()) >= plan().max_workers) {
      return false;
    }
  }
  --worker->wants;
  leases_.Take(*ordinal, worker->session, context->now + options_.lease_ttl);
  if (first) JoinView(worker->session, -1, context);
  SendLease(worker->session, *ordinal, context);
  // After the lease: a worker ignores the placement of a job it has not met.
  if (first) SendPlacement(worker->session, context);
  return true;
}

void TrainingJob::SendLease(SessionId worker, int64_t ordinal,
                            Context* context) {
  Lease lease;
  lease.record = record_;
  lease.generation = state_.generation;
  lease.item = plan().ItemAt(ordinal);
  lease.ttl = options_.lease_ttl;
  lease.hints = marks_.Hints(lease.item);
  if (const auto it = returned_at_.find(ordinal); it != returned_at_.end()) {
    // Its last worker knew better than the servers' last reports.
    for (int64_t& hint : lease.hints) hint = std::max(hint, it->second);
    returned_at_.erase(it);
  }
  if (view_.Contains(worker)) {
    lease.joined = view_.member(worker).joined;
    lease.start_clock = view_.member(worker).start_clock;
  }
  for (const SkippedRange& range : state_.skipped) {
    if (range.item == lease.item) lease.skipped.push_back(range);
  }
  context->ToWorker(worker, std::move(lease));
}

void TrainingJob::JoinView(SessionId worker, int64_t own_clock,
                           Context* context) {
  if (plan().consistency.kind != ConsistencyKind::kSsp ||
      view_.Contains(worker)) {
    return;
  }
  view_.Join(worker, ViewNumber(context->numbers->Draw(context->now)),
             own_clock);
  BroadcastView(context);
}

void TrainingJob::LeaveViewIfIdle(SessionId worker, Context* context) {
  if (!leases_.HeldBy(worker).empty() || !view_.Contains(worker)) return;
  view_.Leave(worker, ViewNumber(context->numbers->Draw(context->now)));
  BroadcastView(context);
}

void TrainingJob::BroadcastView(Context* context) {
  ToOwners(view_.Message(id(), state_.generation), context);
}

void TrainingJob::SendView(const ServerInfo& server, Context* context) {
  if (plan().consistency.kind != ConsistencyKind::kSsp) return;
  context->ToServer(server, view_.Message(id(), state_.generation));
}

void TrainingJob::AdoptLease(const WorkerInfo& worker, const HeldItem& held,
                             int64_t clock, Context* context) {
  const bool ours = started_ && state_.phase == JobPhase::kRunning &&
                    held.generation == state_.generation &&
                    plan().HasItem(held.item) &&
                    leases_.Adopt(plan().Ordinal(held.item), worker.session,
                                  context->now + options_.lease_ttl);
  if (!ours) {
    context->ToWorker(worker.session,
                      LeaseLost{held.job, held.generation, held.item});
    return;
  }
  JoinView(worker.session, clock, context);
  SendLease(worker.session, plan().Ordinal(held.item), context);
}

void TrainingJob::Renewed(WorkerInfo* worker, const Progress& progress,
                          Context* context) {
  if (!plan().HasItem(progress.item)) return;
  const int64_t computed = progress.examples - worker->examples;
  if (computed > 0) statistics_.examples_by_worker[worker->name] += computed;
  worker->examples = std::max(worker->examples, progress.examples);
  const int64_t ordinal = plan().Ordinal(progress.item);
  const auto held = leases_.HeldBy(worker->session);
  view_.Learn(worker->session, progress.clock);
  if (std::find(held.begin(), held.end(), ordinal) == held.end() ||
      (progress.not_in_view && !view_.Contains(worker->session))) {
    // Its lease ran out meanwhile: it may have it back if nobody else has it.
    AdoptLease(*worker, {id(), progress.generation, progress.item},
               view_.Contains(worker->session) ? progress.clock : -1, context);
    return;
  }
  if (progress.not_in_view) SendLease(worker->session, ordinal, context);
  leases_.SetPosition(ordinal, worker->session, progress.position);
  leases_.Renew(worker->session, context->now + options_.lease_ttl);
}

void TrainingJob::ItemEnded(WorkerInfo* worker, const ItemEnd& end,
                            Context* context) {
  if (end.generation != state_.generation || !plan().HasItem(end.item)) return;
  const int64_t ordinal = plan().Ordinal(end.item);
  switch (end.end) {
    case LeaseEnd::kDone:
      leases_.Done(ordinal, worker->session,
                   context->now + options_.confirm_timeout);
      state_.failures.erase(ordinal);
      state_.failed_at.erase(ordinal);
      break;
    case LeaseEnd::kReturned:
      returned_at_[ordinal] = end.position;
      [[fallthrough]];
    case LeaseEnd::kRefused:
      leases_.Release(ordinal, worker->session);
      break;
    case LeaseEnd::kFailed:
      leases_.Release(ordinal, worker->session);
      context->Log(absl::StrCat("job=", record_->name, " worker=", worker->name,
                                " item=", ToString(end.item), " failed at ",
                                end.position, ": ", end.error));
      if (end.failed_end <= end.position) {
        CouldNotBegin(worker, end.error, context);
      } else {
        LeaseFailed(ordinal, end.position, end.non_finite,
                    end.non_finite ? plan().on_nonfinite : plan().on_poison,
                    end.error, context);
      }
      break;
  }
  LeaveViewIfIdle(worker->session, context);
}

// The worker says nothing of a batch, so no batch is blamed: it is asked no
// more, and the others go on.
void TrainingJob::CouldNotBegin(WorkerInfo* worker, const std::string& why,
                                Context* context) {
  worker->unfit_for.insert(id());
  could_not_begin_ = absl::StrCat("worker ", worker->name, ": ", why);
  PauseIfNobodyCan(context);
}

// When only those are left that could not begin, somebody must look.
void TrainingJob::PauseIfNobodyCan(Context* context) {
  const Cluster& cluster = *context->cluster;
  const bool somebody_tried = std::any_of(
      cluster.workers.begin(), cluster.workers.end(),
      [this](const auto& one) { return one.second.unfit_for.contains(id()); });
  if (state_.phase != JobPhase::kRunning || cluster.WorkersFor(id()) > 0 ||
      !somebody_tried) {
    return;
  }
  const auto ordinal = leases_.LowestOpen();
  if (!ordinal) return;
  state_.failed_at.erase(*ordinal);  // No batch is to blame.
  Quarantine(*ordinal,
             absl::StrCat("no worker can begin it; the last that tried is ",
                          could_not_begin_),
             context);
}

void TrainingJob::Quarantine(int64_t ordinal, const std::string& why,
                             Context* context) {
  dirty_ = true;
  leases_.Quarantine(ordinal);
  state_.quarantined.push_back(ordinal);
  state_.phase = JobPhase::kPaused;
  state_.reason = absl::StrCat("item ", ToString(plan().ItemAt(ordinal)),
                               " is quarantined: ", why);
  context->Log(
      absl::StrCat("job=", record_->name, " is paused: ", state_.reason));
}

// Only leases that ended by the worker's death or error while all partitions
// were there count: nobody is blamed for a server that was away. Nor is a batch
// for those before it: machines that are taken away often are no poison.
void TrainingJob::LeaseFailed(int64_t ordinal, int64_t position, bool at_once,
                              PoisonPolicy policy, const std::string& why,
                              Context* context) {
  if (!placement_.AllRegistered() && !EBB_PLANTED(every_failed_lease_counts)) {
    return;
  }
  if (state_.phase == JobPhase::kCompleted ||
      state_.phase == JobPhase::kCancelled) {
    return;  // Nothing pauses what is over.
  }
  const ItemId item = plan().ItemAt(ordinal);
  dirty_ = true;
  const auto [failed_at, first] =
      state_.failed_at.try_emplace(ordinal, position);
  if (!first && position > failed_at->second) {
    state_.failures[ordinal] = 0;
    failed_at->second = position;
  }
  if (++state_.failures[ordinal] < plan().quarantine_after && !at_once) return;
  state_.failures.erase(ordinal);
  if (position >= plan().ItemSize(item)) return;  // Somebody finished it.
  if (policy == PoisonPolicy::kSkip && Skip(item, position, why, context)) {
    return;
  }
  Quarantine(ordinal, absl::StrCat("at ", position, ": ", why), context);
}

// The batch at `begin` is not to be applied, on any partition. False: some
// partition has applied it, so it can be computed; elsewhere it must be too.
bool TrainingJob::Skip(ItemId item, int64_t begin, const std::string& why,
                       Context* context) {
  if (marks_.HighestMark(item) > begin) return false;
  const SkippedRange range{item, begin, plan().BatchEnd(item, begin)};
  if (std::find(state_.skipped.begin(), state_.skipped.end(), range) ==
      state_.skipped.end()) {
    state_.skipped.push_back(range);
    dirty_ = true;
  }
  context->Log(absl::StrCat("job=", record_->name, " skips examples [",
                            range.begin, ", ", range.end, ") of item ",
                            ToString(item), ": ", why));
  return true;
}

void TrainingJob::ReleaseUnclaimed(const WorkerInfo& worker, Context* context) {
  for (const int64_t ordinal : leases_.HeldBy(worker.session)) {
    const bool claimed = std::any_of(
        worker.claims.begin(), worker.claims.end(), [&](const HeldItem& held) {
          return held.job == id() && held.item == plan().ItemAt(ordinal);
        });
    if (!claimed) leases_.Release(ordinal, worker.session);
  }
  LeaveViewIfIdle(worker.session, context);
}

void TrainingJob::WorkerLost(const WorkerInfo& worker, Context* context) {
  const auto held = leases_.HeldBy(worker.session);
  for (const int64_t ordinal : held) {
    leases_.Release(ordinal, worker.session);
  }
  if (!held.empty()) {
    // It worked on the lowest; the next it only held.
    const int64_t ordinal = held.front();
    const ItemId item = plan().ItemAt(ordinal);
    LeaseFailed(ordinal, marks_.HighestMark(item), false, plan().on_poison,
                absl::StrCat("worker ", worker.name, " died on it"), context);
  }
  LeaveViewIfIdle(worker.session, context);
  if (evaluation_ && evaluation_->worker == worker.session) {
    BeginSnapshot(context);
  }
  PauseIfNobodyCan(context);
}

std::optional<int64_t> TrainingJob::QuarantinedAt(int64_t ordinal) const {
  const auto it = state_.failed_at.find(ordinal);
  if (it == state_.failed_at.end()) return std::nullopt;
  return it->second;
}

void TrainingJob::Resolve(int64_t ordinal, bool skip, Context* context) {
  if (std::erase(state_.quarantined, ordinal) == 0) return;
  dirty_ = true;
  const auto failed_at = QuarantinedAt(ordinal);
  if (skip && failed_at) {
    Skip(plan().ItemAt(ordinal), *failed_at, "an operator said so", context);
  }
  state_.failed_at.erase(ordinal);
  leases_.EndQuarantine(ordinal);
  if (!state_.quarantined.empty() || state_.phase != JobPhase::kPaused) return;
  for (auto& [session, worker] : context->cluster->workers) {
    worker.unfit_for.erase(id());
  }
  state_.phase = JobPhase::kRunning;
  state_.reason.clear();
}

void TrainingJob::WorkerArrived(const WorkerInfo& worker, Context* context) {
  const auto blamed = [this](int64_t ordinal) {
    return QuarantinedAt(ordinal).has_value();
  };
  if (state_.phase != JobPhase::kPaused || !worker.MayWorkOn(id()) ||
      std::any_of(state_.quarantined.begin(), state_.quarantined.end(),
                  blamed)) {
    return;
  }
  context->Log(absl::StrCat("job=", record_->name, " goes on: worker ",
                            worker.name,
                            " is there, which has not tried it yet"));
  for (const int64_t ordinal : std::exchange(state_.quarantined, {})) {
    leases_.EndQuarantine(ordinal);
  }
  state_.phase = JobPhase::kRunning;
  state_.reason.clear();
  dirty_ = true;
}

void TrainingJob::Cancel(Context* context) {
  state_.phase = JobPhase::kCancelled;
  dirty_ = true;
  RevokeLeases([](ItemId) { return true; }, context);
}

// --- Evaluation
// -----------------------------------------------------------------

// The next epoch after which the model is evaluated; plan().epochs: none.
int32_t TrainingJob::NextEvaluationEpoch() const {
  const int32_t every = plan().evaluate_every;
  if (every <= 0) return plan().epochs;
  const int32_t last =
      state_.evaluations.empty() ? -1 : state_.evaluations.back().epoch;
  if (last >= plan().epochs - 1) return plan().epochs;
  return std::min((last + 1) / every * every + every - 1, plan().epochs - 1);
}

void TrainingJob::StartEvaluation(Context* context) {
  const int32_t next = NextEvaluationEpoch();
  if (evaluation_ || next >= plan().epochs || marks_.EpochsFull() <= next) {
    return;
  }
  evaluation_ = Running{.epoch = next};
  BeginSnapshot(context);
}

void TrainingJob::BeginSnapshot(Context* context) {
  Running& running = *evaluation_;
  if (running.snapshot != 0) {
    ToOwners(DropSnapshot{id(), running.snapshot}, context);
  }
  // Nobody failed where nobody was there to try.
  const bool tried = running.worker != SessionId();
  if (tried && ++running.attempts >= kEvaluationAttempts) {
    Evaluation failed;
    failed.epoch = running.epoch;
    failed.error = absl::StrCat("no worker could evaluate it in ",
                                kEvaluationAttempts, " attempts");
    EndEvaluation(std::move(failed), context);
    return;
  }
  running.snapshot = static_cast<int64_t>(context->numbers->Draw(context->now));
  running.pinned.clear();
  running.position = plan().examples * plan().epochs;
  running.worker = SessionId();
  running.deadline = context->now + options_.evaluation_timeout;
  ToOwners(TakeSnapshot{id(), state_.generation, running.snapshot}, context);
}

void TrainingJob::SnapshotTaken(const ServerInfo& server,
                                const SnapshotReply& reply, Context* context) {
  if (!evaluation_ || reply.snapshot != evaluation_->snapshot) return;
  for (const auto& [partition, term] : reply.partitions) {
    if (partition.value() < 0 || partition.value() >= placement_.size()) {
      continue;
    }
    const Ownership& one = placement_.at(partition);
    if (one.owner == server.id && one.drawn == term) {
      evaluation_->pinned.insert(partition);
    }
  }
  evaluation_->position = std::min(evaluation_->position, reply.examples);
}

void TrainingJob::Evaluated(const EvaluationResult& result, Context* context) {
  if (!evaluation_ || result.snapshot != evaluation_->snapshot) return;
  if (!result.error.empty()) {
    context->Log(absl::StrCat("job=", record_->name, " evaluation of epoch ",
                              evaluation_->epoch + 1,
                              " failed: ", result.error));
    BeginSnapshot(context);
    return;
  }
  Evaluation evaluation;
  evaluation.epoch = evaluation_->epoch;
  evaluation.position = evaluation_->position;
  evaluation.examples = result.examples;
  const auto examples =
      static_cast<double>(std::max<int64_t>(1, result.examples));
  evaluation.loss = result.loss_sum / examples;
  evaluation.accuracy =
      result.correct < 0 ? -1 : static_cast<double>(result.correct) / examples;
  EndEvaluation(std::move(evaluation), context);
}

void TrainingJob::EndEvaluation(Evaluation evaluation, Context* context) {
  evaluation.finished_us = absl::ToUnixMicros(context->now);
  ToOwners(DropSnapshot{id(), evaluation_->snapshot}, context);
  evaluation_.reset();
  state_.evaluations.push_back(std::move(evaluation));
  dirty_ = true;
  MarksChanged(context);
}

// --- Time
// -----------------------------------------------------------------------

void TrainingJob::Tick(Context* context) {
  if (!started_) return;
  // While a server is away nobody can advance, and nobody is to blame.
  if (placement_.AllRegistered()) {
    for (const auto& [ordinal, worker] : leases_.Expired(context->now)) {
      const ItemId item = plan().ItemAt(ordinal);
      const auto held = leases_.HeldBy(worker);
      leases_.Release(ordinal, worker);
      context->Log(absl::StrCat("job=", record_->name, " item=", ToString(item),
                                " lease ran out"));
      if (!held.empty() && held.front() == ordinal) {
        LeaseFailed(ordinal, marks_.HighestMark(item), false, plan().on_poison,
                    "its lease ran out", context);
      }
      LeaveViewIfIdle(worker, context);
    }
    leases_.ReopenUnconfirmed(context->now);
  }
  if (evaluation_ && evaluation_->deadline <= context->now) {
    BeginSnapshot(context);
  }
}

absl::Time TrainingJob::NextTick() const {
  if (!started_) return absl::InfiniteFuture();
  absl::Time next = absl::InfiniteFuture();
  if (placement_.AllRegistered()) next = leases_.NextExpiry();
  if (evaluation_) next = std::min(next, evaluation_->deadline);
  return next;
}

}  // namespace ebb::scheduler
