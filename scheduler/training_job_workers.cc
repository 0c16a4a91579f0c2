// What a job does with its workers: leases, the view, failures; see
// training_job.h.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/training_job.h"

namespace ebb::scheduler {

// --- Leases -----------------------------------------------------------------

bool TrainingJob::MayLease(int64_t ordinal, Context* context) {
  if (!plan().rounds()) return true;
  const int64_t round = plan().RoundOf(plan().ItemAt(ordinal));
  const Rounds::Lease lease = rounds_.MayLease(round);
  // The servers hold as many values as they may: they must be stored first.
  if (lease == Rounds::Lease::kNotDurable && rounds_.WantsCheckpoint(round)) {
    RequestCheckpoint(context);
  }
  return lease == Rounds::Lease::kMay;
}

bool TrainingJob::HasBegun() const {
  return begun_ || marks_.marks(PartitionId(0)).examples() > 0;
}

bool TrainingJob::MayOffer() const {
  return started_ && placement_.AllRegistered() &&
         state_.phase == JobPhase::kRunning;
}

bool TrainingJob::Offer(WorkerInfo* worker, Context* context) {
  if (!MayOffer()) return false;
  const auto ordinal = leases_.LowestOpen();
  tails_.Asked(marks_.EpochsFull(),
               ordinal ? plan().ItemAt(*ordinal).epoch : plan().epochs,
               context->now);
  if (!ordinal || !MayLease(*ordinal, context)) return false;
  if (HelpsEarlierEpoch(worker->session, plan().ItemAt(*ordinal).epoch,
                        context)) {
    return true;
  }
  const bool first = leases_.CountHeldBy(worker->session) == 0;
  begun_ = true;
  --worker->wants;
  leases_.Take(*ordinal, worker->session, context->now + options_.lease_ttl);
  if (first) FirstLease(*worker, context->now);
  SendLease(worker->session, *ordinal, context);
  // After the lease: a worker ignores the placement of a job it has not met.
  if (first) SendPlacement(worker->session, context);
  return true;
}

bool TrainingJob::OfferBackups(const std::set<SessionId>& waiting,
                               Context* context) {
  if (!MayOffer() || leases_.held().empty() || !backups_.Due(context->now)) {
    return false;
  }
  std::vector<SessionId> idle;
  for (const SessionId worker : waiting) {
    if (leases_.CountHeldBy(worker) == 0 && !Evaluates(worker)) {
      idle.push_back(worker);
    }
  }
  if (idle.empty()) return false;
  const auto helps = LookForHelp(idle, plan().items());
  for (const Backups::Help& help : helps) Help(help, context);
  return !helps.empty();
}

bool TrainingJob::HelpsEarlierEpoch(SessionId worker, int32_t epoch,
                                    Context* context) {
  const int64_t begin = plan().Ordinal({epoch, 0});
  if (leases_.held().empty() || leases_.held().begin()->first >= begin ||
      !backups_.Due(context->now)) {
    return false;
  }
  const auto helps = LookForHelp({worker}, begin);
  for (const Backups::Help& help : helps) Help(help, context);
  return !helps.empty();
}

std::vector<Backups::Help> TrainingJob::LookForHelp(
    const std::vector<SessionId>& helpers, int64_t end) const {
  // Where a batch failed, two that compute it might end differently.
  return backups_.Look(helpers, end, [this](int64_t ordinal) {
    return poison_.QuarantinedAt(ordinal).has_value();
  });
}

// Under SSP a worker that goes on with what another does better would hold all
// back, so what it has begun is taken from it, too.
void TrainingJob::Help(const Backups::Help& help, Context* context) {
  auto& workers = context->cluster->workers;
  WorkerInfo& to = workers.at(help.to);
  const WorkerInfo& from = workers.at(help.from);
  const absl::Time expires = context->now + options_.lease_ttl;
  const ItemId item = plan().ItemAt(help.ordinal);
  const bool moves = !help.begun || plan().clocked();
  context->Log(
      absl::StrCat("job=", record_->name, " item=", ToString(item),
                   moves ? " goes from worker=" : " of worker=", from.name,
                   moves ? " to worker=" : " is leased to worker=", to.name,
                   moves ? "" : ", too", ": it will be done earlier"));
  --to.wants;
  const bool first = leases_.CountHeldBy(to.session) == 0;
  if (moves) {
    Revoke(help.ordinal, from.session, context);
    IfIdle(from.session, context);
    leases_.TakeMoved(help.ordinal, to.session, expires);
    backups_.Moved();
  } else {
    leases_.TakeBackup(help.ordinal, to.session, expires);
    backups_.Leased(help.ordinal, from.examples + to.examples);
  }
  if (first) FirstLease(to, context->now);
  SendLease(to.session, help.ordinal, context);
  if (first) SendPlacement(to.session, context);
}

void TrainingJob::EndBackup(int64_t ordinal, const WorkerInfo& first,
                            Context* context) {
  const auto backup = leases_.backups().find(ordinal);
  if (backup == leases_.backups().end() ||
      leases_.Find(ordinal, first.session) == nullptr) {
    return;
  }
  const bool backup_first = backup->second.worker == first.session;
  const SessionId other =
      backup_first ? leases_.held().at(ordinal).worker : backup->second.worker;
  backups_.Done(ordinal, backup_first,
                first.examples + context->cluster->workers.at(other).examples);
  context->Log(absl::StrCat(
      "job=", record_->name, " item=", ToString(plan().ItemAt(ordinal)),
      backup_first ? " was done first by its backup, worker="
                   : " was done before its backup, by worker=",
      first.name));
  Revoke(ordinal, other, context);
  IfIdle(other, context);
}

// It joins the view only when it can begin, as its first pull shows: other
// workers do not wait while it loads.
void TrainingJob::FirstLease(const WorkerInfo& worker, absl::Time now) {
  backups_.Begins(worker.session, worker.examples, now);
}

bool TrainingJob::WantsEvaluator() const {
  return started_ && placement_.AllRegistered() && evaluator_.WantsWorker();
}

void TrainingJob::Evaluate(SessionId worker, Context* context) {
  WorkerInfo& info = context->cluster->workers.at(worker);
  info.evaluates = true;
  info.leased.insert(id());
  context->ToWorker(worker, evaluator_.Lease(record_, worker, context->now));
  SendPlacement(worker, context);
}

bool TrainingJob::EvaluateToo(WorkerInfo* worker, Context* context) {
  const SessionId session = worker->session, first = evaluator_.worker();
  if (!evaluator_.MayLeaseAgain() || leases_.CountHeldBy(session) > 0 ||
      worker->evaluates || worker->no_evaluations || !worker->CanWorkOn(id()) ||
      !backups_.MuchFaster(session, first)) {
    return false;
  }
  context->Log(absl::StrCat(
      "job=", record_->name, " worker=", worker->name,
      " evaluates, too, what worker=", context->cluster->workers.at(first).name,
      " evaluates: it will be done earlier"));
  worker->evaluates = true;
  worker->leased.insert(id());
  context->ToWorker(session, evaluator_.LeaseAgain(record_, session));
  SendPlacement(session, context);
  return true;
}

void TrainingJob::TakeBack(const std::vector<SessionId>& workers,
                           Context* context) {
  bool left = false;
  for (const SessionId worker : workers) {
    for (const int64_t ordinal : leases_.HeldBy(worker)) {
      Revoke(ordinal, worker, context);
    }
    if (!view_.Contains(worker)) continue;
    view_.Leave(worker, ViewNumber(context->numbers->Draw(context->now)));
    left = true;
  }
  if (left) BroadcastView(context);
}

void TrainingJob::Revoke(int64_t ordinal, SessionId worker, Context* context) {
  context->ToWorker(worker,
                    LeaseLost{id(), state_.generation, plan().ItemAt(ordinal)});
  leases_.Release(ordinal, worker);
  if (leases_.CountHeldBy(worker) == 0) backups_.Ends(worker, context->now);
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
  lease.rate_factor = state_.rollback.rate_factor;
  if (view_.Contains(worker)) {
    lease.joined = view_.member(worker).joined;
    lease.start_clock = view_.member(worker).start_clock;
  }
  for (const SkippedRange& range : state_.skipped) {
    if (range.item == lease.item) lease.skipped.push_back(range);
  }
  context->cluster->workers.at(worker).leased.insert(id());
  context->ToWorker(worker, std::move(lease));
}

void TrainingJob::JoinView(SessionId worker, int64_t clock, Context* context) {
  if (!plan().clocked() || view_.Contains(worker) || clock < 0) {
    return;
  }
  view_.Join(worker, ViewNumber(context->numbers->Draw(context->now)), clock);
  BroadcastView(context);
}

// A worker that holds nothing here is in no view, and no time of its passes.
void TrainingJob::IfIdle(SessionId worker, Context* context) {
  if (leases_.CountHeldBy(worker) > 0) return;
  backups_.Ends(worker, context->now);
  if (!view_.Contains(worker)) return;
  view_.Leave(worker, ViewNumber(context->numbers->Draw(context->now)));
  BroadcastView(context);
}

void TrainingJob::BroadcastView(Context* context) {
  context->ToOwners(placement_, view_.Message(id(), state_.generation));
}

void TrainingJob::SendView(const ServerInfo& server, Context* context) {
  if (!plan().clocked()) return;
  context->ToServer(server, view_.Message(id(), state_.generation));
}

void TrainingJob::AdoptLease(const WorkerInfo& worker, const HeldItem& held,
                             int64_t clock, Context* context) {
  // If its round is not open, no worker could advance it, and it would keep the
  // worker from open ones.
  const auto may_be_held = [&] {
    return !plan().rounds() || !placement_.AllRegistered() ||
           plan().RoundOf(held.item) <= marks_.RoundsClosed();
  };
  const bool first = leases_.CountHeldBy(worker.session) == 0;
  const bool ours = started_ && state_.phase == JobPhase::kRunning &&
                    worker.job == id() &&
                    held.generation == state_.generation &&
                    plan().HasItem(held.item) && may_be_held() &&
                    leases_.Adopt(plan().Ordinal(held.item), worker.session,
                                  context->now + options_.lease_ttl);
  if (!ours) {
    context->ToWorker(worker.session,
                      LeaseLost{held.job, held.generation, held.item});
    // It may have held it until now, and goes on with it no more.
    if (held.generation == state_.generation && plan().HasItem(held.item)) {
      leases_.Release(plan().Ordinal(held.item), worker.session);
      IfIdle(worker.session, context);
    }
    return;
  }
  if (first) FirstLease(worker, context->now);
  JoinView(worker.session, clock, context);
  SendLease(worker.session, plan().Ordinal(held.item), context);
}

void TrainingJob::Computed(WorkerInfo* worker, int64_t examples,
                           absl::Time now) {
  backups_.Heard(worker->session, std::max(examples, worker->examples),
                 worker->parked, now);
  if (examples <= worker->examples) return;
  statistics_.examples_by_worker[worker->name] += examples - worker->examples;
  worker->examples = examples;
}

void TrainingJob::Renewed(WorkerInfo* worker, const Progress& progress,
                          Context* context) {
  if (!plan().HasItem(progress.item)) return;
  Computed(worker, progress.examples, context->now);
  const int64_t ordinal = plan().Ordinal(progress.item);
  const auto held = leases_.HeldBy(worker->session);
  const bool joins = progress.not_in_view && !view_.Contains(worker->session);
  if (!progress.not_in_view) view_.Learn(worker->session, progress.clock);
  if (std::find(held.begin(), held.end(), ordinal) == held.end() || joins) {
    // Its lease ran out meanwhile: it may have it back if no other worker has
    // it.
    AdoptLease(*worker, {id(), progress.generation, progress.item},
               joins ? view_.StartClock(progress.view_clock) : -1, context);
    return;
  }
  if (progress.not_in_view) SendLease(worker->session, ordinal, context);
  leases_.SetPosition(ordinal, worker->session, progress.position);
  leases_.Renew(worker->session, context->now + options_.lease_ttl);
}

void TrainingJob::ItemEnded(WorkerInfo* worker, const ItemEnd& end,
                            Context* context) {
  Computed(worker, end.examples, context->now);
  if (end.generation != state_.generation || !plan().HasItem(end.item)) return;
  const int64_t ordinal = plan().Ordinal(end.item);
  switch (end.end) {
    case LeaseEnd::kDone:
      EndBackup(ordinal, *worker, context);
      leases_.Done(ordinal, worker->session,
                   context->now + options_.confirm_timeout);
      poison_.Succeeded(ordinal);
      stalls_.Done(ordinal);
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
        CouldNotBegin(worker, end, context);
      } else if (leases_.HoldersOf(ordinal).empty()) {
        // Else the other holder shows whether the batch is to blame.
        LeaseFailed(
            {.ordinal = ordinal,
             .position = end.position,
             .non_finite = end.non_finite,
             .policy = end.non_finite ? plan().on_nonfinite : plan().on_poison,
             .why = end.error},
            context);
      }
      break;
  }
  IfIdle(worker->session, context);
}

// The worker names no batch, so none is blamed: it is asked no more, and the
// others go on.
void TrainingJob::CouldNotBegin(WorkerInfo* worker, const ItemEnd& end,
                                Context* context) {
  constexpr size_t kMostWhyBytes = 4096;  // Enough for people.
  worker->unfit_for[id()] = {end.error.substr(0, kMostWhyBytes),
                             end.over_limit};
  could_not_begin_ = absl::StrCat("worker ", worker->name, ": ", end.error);
  PauseIfNobodyCan(context);
}

// When only workers are left that could not begin, an operator must look.
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
  dirty_ = true;
  poison_.NobodyCan(
      *ordinal,
      absl::StrCat("no worker can begin it; the last that tried is ",
                   could_not_begin_),
      context);
}

// Only leases that ended by the worker's death or error while all partitions
// were there count: no batch is blamed for a server that was away.
void TrainingJob::LeaseFailed(Poison::Failure failure, Context* context) {
  if (!placement_.AllRegistered() && !EBB_PLANTED(every_failed_lease_counts)) {
    return;
  }
  if (state_.phase == JobPhase::kCompleted ||
      state_.phase == JobPhase::kCancelled) {
    return;  // Nothing pauses what is over.
  }
  if (failure.policy == PoisonPolicy::kRollBack) {
    if (state_.rollback.nonfinite < plan().nonfinite_rollback.most) {
      const ItemId item = plan().ItemAt(failure.ordinal);
      return RollBackByItself(
          "on_nonfinite", plan().rounds() ? plan().RoundOf(item) : 0,
          absl::StrCat("item ", ToString(item), " failed at ", failure.position,
                       ": ", failure.why),
          context);
    }
    absl::StrAppend(&failure.why, "; ", RolledBackAlready());
  }
  dirty_ = true;
  if (poison_.Failed(failure, context)) FenceSkip(failure.ordinal, context);
}

void TrainingJob::CutOff(SessionId worker, Context* context) {
  TakeBack({worker}, context);
  EvaluationEnded(evaluator_.WorkerLost(worker, context), context);
}

std::vector<SessionId> TrainingJob::LeasesRanOut(Context* context) {
  std::vector<SessionId> silent;
  for (const auto& [ordinal, session] : leases_.Expired(context->now)) {
    const ItemId item = plan().ItemAt(ordinal);
    const WorkerInfo& worker = context->cluster->workers.at(session);
    // A worker that says why it does not advance is not silent, and no batch is
    // to blame.
    const bool unreached = worker.unreached.contains(id());
    // It worked on the lowest; the next it only held, whenever that runs out.
    const bool first = leases_.HeldBy(session).front() == ordinal &&
                       std::ranges::count(silent, session) == 0 &&
                       !worker.silent;
    leases_.Release(ordinal, session);
    if (!unreached) silent.push_back(session);
    const std::string text =
        absl::StrCat("job=", record_->name, " worker=", worker.name,
                     " item=", ToString(item), " lease ran out");
    if (first && !unreached) {
      ++silent_workers_;
      context->Tell(EventKind::kWorkerSilent, id(), text, worker.name);
    } else {
      context->Log(text);
    }
    if (first && !unreached && leases_.HoldersOf(ordinal).empty()) {
      LeaseRanOut(ordinal, worker, context);
    }
    IfIdle(session, context);
  }
  return silent;
}

void TrainingJob::LeaseRanOut(int64_t ordinal, const WorkerInfo& worker,
                              Context* context) {
  const int64_t position = marks_.HighestMark(plan().ItemAt(ordinal));
  const auto verdict =
      stalls_.RanOut(worker.session, {ordinal, position}, context->now);
  for (const Stalls::Place& other : verdict.acquitted) {
    poison_.Acquit(other.ordinal, other.position);
  }
  dirty_ |= !verdict.acquitted.empty();
  if (!verdict.to_blame) return;
  LeaseFailed(
      {.ordinal = ordinal,
       .position = position,
       .policy = plan().on_poison,
       .why = absl::StrCat("its lease ran out, since worker ", worker.name,
                           " said nothing for ",
                           absl::FormatDuration(options_.lease_ttl),
                           ": it hangs there, or its machine is overloaded")},
      context);
}

// The new terms refuse earlier pushes. A worker that may still work on the
// item, since its lease ran out unheard, hears that it is lost before it hears
// of the terms.
void TrainingJob::FenceSkip(int64_t ordinal, Context* context) {
  for (const auto& [session, worker] : context->cluster->workers) {
    context->ToWorker(
        session, LeaseLost{id(), state_.generation, plan().ItemAt(ordinal)});
  }
  // Before the start, and while none is there, all are to get new terms anyway.
  if (started_ && placement_.registered() > 0) GrantAll(context);
}

void TrainingJob::SettleSkips(Context* context) {
  if (!poison_.SettleSkips(context)) return;
  dirty_ = true;
  MaybeGoOn(context);
}

void TrainingJob::ReleaseUnclaimed(const WorkerInfo& worker, Context* context) {
  for (const int64_t ordinal : leases_.HeldBy(worker.session)) {
    const bool claimed = std::any_of(
        worker.claims.begin(), worker.claims.end(), [&](const HeldItem& held) {
          return held.job == id() && held.item == plan().ItemAt(ordinal);
        });
    if (!claimed) leases_.Release(ordinal, worker.session);
  }
  IfIdle(worker.session, context);
  if (EBB_PLANTED(evaluation_outlives_its_session)) return;
  EvaluationEnded(evaluator_.WorkerLost(worker.session, context), context);
}

void TrainingJob::WorkerLost(const WorkerInfo& worker, Context* context) {
  const auto held = leases_.HeldBy(worker.session);
  for (const int64_t ordinal : held) {
    leases_.Release(ordinal, worker.session);
  }
  if (!held.empty() && !worker.silent &&
      leases_.HoldersOf(held.front()).empty()) {
    // It worked on the lowest; the next it only held. A silent one worked on
    // one whose lease ran out.
    const int64_t ordinal = held.front();
    LeaseFailed({.ordinal = ordinal,
                 .position = marks_.HighestMark(plan().ItemAt(ordinal)),
                 .policy = plan().on_poison,
                 .why = absl::StrCat("worker ", worker.name, " died on it")},
                context);
  }
  IfIdle(worker.session, context);
  backups_.Gone(worker.session);
  EvaluationEnded(evaluator_.WorkerLost(worker.session, context), context);
  PauseIfNobodyCan(context);
}

void TrainingJob::Resolve(int64_t ordinal, bool skip, Context* context) {
  const bool wanted = skip && poison_.WantSkip(ordinal);
  if (!wanted && !poison_.Resolve(ordinal)) return;
  dirty_ = true;
  for (auto& [session, worker] : context->cluster->workers) {
    worker.unfit_for.erase(id());
  }
  if (wanted) {
    FenceSkip(ordinal, context);
  } else {
    MaybeGoOn(context);
  }
}

void TrainingJob::WarnOfTooManyWorkers(Context* context) const {
  if (max_workers() <= 0 || state_.phase != JobPhase::kRunning) return;
  const int64_t able = context->cluster->WorkersFor(id());
  if (able <= max_workers()) return;
  context->Log(absl::StrCat("job=", record_->name, " takes ", max_workers(),
                            " workers at once (workers.max); of the ", able,
                            " that are there the others wait, or work on "
                            "other jobs"));
}

void TrainingJob::WorkerArrived(const WorkerInfo& worker, Context* context) {
  // With the first that is too many; the next are nothing new.
  if (max_workers() > 0 &&
      context->cluster->WorkersFor(id()) == max_workers() + 1) {
    WarnOfTooManyWorkers(context);
  }
  if (state_.phase != JobPhase::kPaused || state_.paused_by_operator ||
      !worker.MayWorkOn(id()) || poison_.BlamesABatch()) {
    return;
  }
  context->Log(absl::StrCat("job=", record_->name, " goes on: worker ",
                            worker.name, " is there, and may be able to"));
  for (const int64_t ordinal : std::vector(state_.quarantined)) {
    poison_.Resolve(ordinal);
  }
  MaybeGoOn(context);
}

}  // namespace ebb::scheduler
