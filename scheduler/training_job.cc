#include "scheduler/training_job.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "protocol/plan_change.h"

namespace ebb::scheduler {

namespace {

// A specification that cannot be read is nothing to fail of here: it is told
// where the job is worked on.
job::TrainingFacts FactsOf(const SchedulerOptions& options,
                           const JobRecord& record) {
  if (options.training_facts == nullptr) return {};
  return options.training_facts(record).value_or(job::TrainingFacts());
}

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

TrainingJob::TrainingJob(const SchedulerOptions& options, JobRecordPtr record,
                         JobState state)
    : options_(options),
      record_(std::move(record)),
      known_{record_->id, record_->name, record_->plan, ""},
      training_facts_(FactsOf(options_, *record_)),
      state_(std::move(state)),
      forget_evaluations_(!state_.rolled_back.empty()),
      placement_(known_.plan.partitions),
      marks_(known_.plan),
      leases_(known_.plan, marks_),
      backups_(options_, known_.plan, marks_, leases_),
      poison_(known_, marks_, &leases_, &state_),
      divergence_(known_.plan, training_facts_.guess_loss),
      stalls_(options_.lease_ttl),
      rounds_(known_.plan),
      operations_(options_, *record_, known_.plan),
      evaluator_(options_, known_, state_, placement_) {
  state_.owners.resize(placement_.size(), Ownership::kNobody);
  state_.owned_since.resize(placement_.size());
  state_.durable_in.resize(placement_.size());
  state_.durable_term.resize(placement_.size());
  state_.moved.resize(placement_.size());
  for (int32_t p = 0; p < placement_.size(); ++p) {
    Ownership& one = placement_.at(PartitionId(p));
    one.owner = state_.owners[p];
    one.drawn = state_.owned_since[p];
    one.kept = one.owner != Ownership::kNobody;
  }
}

// --- Placement --------------------------------------------------------------

// Deals partitions without an owner out evenly over the present servers.
void TrainingJob::AssignOwners(Context* context) {
  const std::set<ServerId> takers =
      Takers(*context->cluster, placement_, state_.servers);
  const auto connected = std::count_if(
      context->cluster->servers.begin(), context->cluster->servers.end(),
      [](const auto& one) { return one.second.connected; });
  if (takers.empty() || connected < options_.min_servers) return;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    if (placement_.at(PartitionId(p)).owner == Ownership::kNobody) {
      const ServerId owner = Emptiest(placement_, takers);
      SetOwner(PartitionId(p), owner);
      SetDurable(PartitionId(p),
                 context->cluster->servers.at(owner).shared_folder, Term());
    }
  }
}

void TrainingJob::Start(Context* context) {
  started_ = true;
  WarnOfTooManyWorkers(context);
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
  std::map<ServerId, std::vector<PartitionGrant>> grants;
  for (const PartitionId p : partitions) {
    EndMove(p, context);
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
    RememberDrawn(p);
    // What it stores from now on is not where the newest was.
    if (state_.durable_in[p.value()] != server->second.shared_folder) {
      SetDurable(p, "", Term());
    }
    grants[one.owner].push_back({p, term, one.parent});
  }
  for (auto& [id, granted] : grants) {
    const ServerInfo& server = context->cluster->servers.at(id);
    SendGrant(server, std::move(granted), context);
    SendNews(server, context);
  }
}

// A server that owned no partition has not heard of any view or round yet.
void TrainingJob::SendNews(const ServerInfo& server, Context* context) {
  SendView(server, context);
  if (rounds_.told()) context->ToServer(server, *rounds_.told());
}

void TrainingJob::SendGrant(const ServerInfo& server,
                            std::vector<PartitionGrant> partitions,
                            Context* context) {
  Grant grant;
  grant.server = server.id;
  grant.session = server.session;
  grant.record = record_;
  grant.generation = state_.generation;
  grant.rollback = state_.rollback;
  grant.known_servers = context->cluster->ServerIds();
  grant.partitions = std::move(partitions);
  context->ToServer(server, std::move(grant));
}

void TrainingJob::TellServers(Context* context) {
  for (const auto& [id, server] : context->cluster->servers) {
    if (server.connected && Owned(id) > 0) SendGrant(server, {}, context);
  }
}

// So that a later scheduler does not believe a server that claims it with an
// older term: the target of a move that was given up, or a former owner.
void TrainingJob::RememberDrawn(PartitionId p) {
  state_.owned_since[p.value()] = placement_.at(p).drawn;
  dirty_ = true;
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
  if (MayFollow(plan(), registration.record->plan).ok()) {
    TakeRecord(registration.record);
  }
  // What was complete is another history.
  if (state_.phase == JobPhase::kCompleted) state_.phase = JobPhase::kRunning;
  BeginGeneration(registration.generation, registration.rollback, context);
  return true;
}

void TrainingJob::TakeRecord(JobRecordPtr record) {
  if (record->specification == record_->specification) return;
  record_ = std::move(record);
  known_.plan = record_->plan;
  training_facts_ = FactsOf(options_, *record_);
  new_record_ = !EBB_PLANTED(change_is_not_stored);
}

void TrainingJob::BeginGeneration(Generation generation,
                                  RollbackRecord rollback, Context* context) {
  RevokeLeases([](ItemId) { return true; }, context);
  state_.generation = generation;
  state_.rollback = std::move(rollback);
  dirty_ = true;
  marks_ = MarkTable(plan());
  leases_ = LeaseTable(plan(), marks_);
  poison_.BeginGeneration();
  divergence_.Forget();
  statistics_.recent_loss.reset();
  // What was accepted were the values of before.
  state_.divergence = PausedForDivergence() ? DivergencePause::kGoneBack
                                            : DivergencePause::kNone;
  stalls_.BeginGeneration();
  backups_.BeginGeneration();
  tails_.Clear();
  returned_at_.clear();
  fallbacks_.Clear();  // They belong to a history that is gone.
  rounds_.BeginGeneration();
  operations_.BeginGeneration();
  final_checkpoint_asked_ = false;
  evaluator_.Abandon();  // Its snapshot is of values that are no more.
  if (!started_) return;
  // No worker has a lease, and one that gets none now must hold up no other.
  view_.Clear(ViewNumber(context->numbers->Draw(context->now)));
  GrantAll(context);
}

bool TrainingJob::RollBackIfNeeded(Context* context) {
  const RollbackRecord& now = state_.rollback;
  auto rollback = rounds_.MustRollBack(marks_, OfRoundAt(now.rate_factor, now));
  if (!rollback || state_.phase == JobPhase::kCancelled) return false;
  // Evaluations of epochs that are open again are made again.
  const int64_t epoch = rollback->to_round / plan().RoundsPerEpoch();
  std::erase_if(state_.evaluations, [&](const Evaluation& evaluation) {
    return evaluation.epoch >= epoch;
  });
  RollbackRecord record = state_.rollback;
  record.versions = std::move(rollback->record.versions);
  RollBack(std::move(record),
           absl::StrCat("from round ", rollback->from_round, " to round ",
                        rollback->to_round, ": ", rollback->why),
           context);
  return true;
}

// A server that claims a later term than the known one was granted it, or the
// partition moved there, by a scheduler that we do not remember.
void TrainingJob::HearClaim(const ServerInfo& server,
                            const PartitionRegistration& one) {
  Ownership& known = placement_.at(one.partition);
  const Term claim = ClaimedTerm(one);
  if (claim <= known.drawn) return;
  if (known.owner != server.id) {
    if (known.owner != Ownership::kNobody) {
      stale_[one.partition].insert(known.owner);
    }
    SetOwner(one.partition, server.id);
  }
  SetDurable(one.partition, "", Term());  // Maybe it has it alone.
  known.drawn = claim;
  state_.owned_since[one.partition.value()] = claim;
  dirty_ = true;
}

void TrainingJob::ServerRegistered(const ServerInfo& server,
                                   const JobRegistration* registration,
                                   Context* context) {
  std::vector<bool> believed(placement_.size());
  for (int32_t p = 0; p < placement_.size(); ++p) {
    Ownership& one = placement_.at(PartitionId(p));
    if (one.owner == server.id) one.kept = false;  // Until it says so.
  }
  const bool same_generation =
      registration != nullptr && AcceptGeneration(*registration, context);
  if (registration != nullptr) {
    for (const PartitionRegistration& one : registration->partitions) {
      if (one.partition.value() < 0 ||
          one.partition.value() >= placement_.size()) {
        continue;
      }
      Ownership& known = placement_.at(one.partition);
      if (!same_generation) {
        // A rollback may lead back to what it has, even if our store is of
        // before it got that.
        const VersionKey* from = state_.rollback.Find(one.partition);
        if (from != nullptr && ClaimedTerm(one) == from->term) {
          HearClaim(server, one);
        }
        known.kept = known.kept ||
                     (known.owner == server.id && ClaimedTerm(one) != Term());
        continue;
      }
      HearClaim(server, one);
      if (known.owner != server.id) {
        if (ClaimedTerm(one) != Term()) stale_[one.partition].insert(server.id);
        continue;
      }
      known.kept = true;
      // A term that it serves from before others had the partition is not a
      // parent.
      if (one.serving && one.term >= known.parent &&
          one.term >= state_.moved[one.partition.value()]) {
        known.parent = one.term;
      }
      believed[one.partition.value()] =
          started_ && Believe(server, one, context);
    }
  }
  // What was asked of the server before it was away may be lost.
  final_checkpoint_asked_ = false;
  rounds_.ServerBack();
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
  if (std::ranges::find(believed, true) != believed.end()) {
    // It missed some while it was not connected; so did a server that came
    // meanwhile.
    SendGrant(server, {}, context);
    SendNews(server, context);
  }
  TellFallbacks(context);
  MarksChanged(context);
  for (int32_t p = 0; p < placement_.size(); ++p) {
    TellStale(PartitionId(p), context);
  }
  TakeOver(context);
  MoveOn(context);
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
  placement_.at(one.partition).durable = !one.durable_marks.empty();
  if (!one.durable_marks.empty()) {
    SetDurable(one.partition, server.shared_folder, one.term);
  } else if (one.stored_term == Term()) {
    // It began with initial values: what was durable is of no use any more.
    SetDurable(one.partition, state_.durable_in[one.partition.value()], Term());
  }
  if (!was_whole && placement_.AllRegistered()) {
    // No worker could advance while a server was away.
    leases_.RenewAll(context->now + options_.lease_ttl);
    evaluator_.ServersBack(context);
  }
  fallbacks_.CameBack(server.id, server.session, one.partition,
                      marks_.marks(one.partition), *marks);
  marks_.Replace(one.partition, *std::move(marks), *std::move(durable),
                 [&](int64_t ordinal) { leases_.FullChanged(ordinal); });
  rounds_.Registered(one);
  operations_.Registered(one);
  for (const SkippedRange& range : poison_.Adopt(one.skipped, context)) {
    dirty_ = true;
    // The lease of a worker on the item does not mention it.
    const int64_t ordinal = plan().Ordinal(range.item);
    for (const SessionId worker : leases_.HoldersOf(ordinal)) {
      SendLease(worker, ordinal, context);
    }
  }
  return true;
}

void TrainingJob::TellFallbacks(Context* context) {
  if (!placement_.AllRegistered()) return;
  for (const std::string& line : fallbacks_.Tell(marks_)) {
    context->Log(absl::StrCat("job=", record_->name, " ", line));
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
    // It may have been loading what it was granted before this scheduler.
    if (!started_) HearClaim(server, one);
    Ownership& known = placement_.at(one.partition);
    if (known.owner != server.id) {
      if (ClaimedTerm(one) != Term()) stale_[one.partition].insert(server.id);
    } else if (one.term > known.drawn) {
      // It has seen a later one; the server with that grant may be yet to come.
      anew.push_back(one.partition);
      continue;
    }
    changed = Believe(server, one, context) || changed;
    TellStale(one.partition, context);
  }
  if (started_) GrantAnew(anew, context);
  if (changed) {
    TellFallbacks(context);
    PlacementChanged(context);
    MarksChanged(context);
    MoveOn(context);
  }
}

void TrainingJob::ServerLost(const ServerInfo& server, Context* context) {
  tails_.Clear();
  EndMovesTo(server, context);
  for (int32_t p = 0; p < placement_.size(); ++p) {
    if (placement_.at(PartitionId(p)).owner == server.id) {
      placement_.Unregistered(PartitionId(p));
    }
  }
  TakeOver(context);
}

// Workers in the job learn where its partitions are now; those that were
// refused wait for it.
void TrainingJob::PlacementChanged(Context* context) {
  if (!placement_.AllRegistered()) return;
  std::set<SessionId> workers = leases_.Holders();
  for (const SessionId one : {evaluator_.worker(), evaluator_.second()}) {
    if (one != SessionId()) workers.insert(one);
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

// --- Marks ------------------------------------------------------------------

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
      continue;  // It is of a term that is no longer, or not yet, believed.
    }
    marks_.Raise(one.partition, one.marks, one.durable,
                 [&](int64_t ordinal) { leases_.FullChanged(ordinal); });
    rounds_.Stored(one);
    operations_.Reported(one);
  }
  MarksChanged(context);
}

void TrainingJob::MarksChanged(Context* context) {
  if (!placement_.AllRegistered()) return;
  SettleSkips(context);
  if (plan().rounds()) {
    if (RollBackIfNeeded(context)) return;
    TellRounds(context);
    if (plan().algorithm.operated) OrderOperations(context);
  }
  if (std::exchange(forget_evaluations_, false)) {
    std::erase_if(state_.evaluations, [&](const Evaluation& evaluation) {
      return evaluation.epoch >= marks_.EpochsFull();
    });
    dirty_ = true;
  }
  const int32_t full = marks_.EpochsFull();
  if (std::exchange(evaluations_lost_, false)) evaluator_.Lost(full);
  if (tails_.Ends(full)) {
    const int64_t batch = plan().BatchSize({full - 1, 0});
    tails_.Ended(full, backups_.SlowestPace() * batch, context->now);
  }
  evaluator_.Start(full, context);
  if (!marks_.AllApplied()) {
    final_checkpoint_asked_ = false;
    if (state_.phase == JobPhase::kCompleted &&
        !EBB_PLANTED(items_reopen_only_until_completion)) {
      context->Tell(
          EventKind::kJobReopened, id(),
          absl::StrCat("job=", record_->name,
                       " was complete, but a server came back with less: its "
                       "storage was damaged. The job is open again; what is "
                       "missing is recomputed."));
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
  if (!evaluator_.AllDone()) return;
  if (StopsAtItsEnd(context)) return;
  state_.phase = JobPhase::kCompleted;
  dirty_ = true;
  context->Tell(EventKind::kJobComplete, id(),
                absl::StrCat("job=", record_->name, " is complete"));
  context->ToOwners(placement_, JobCompleted{id(), state_.generation});
}

void TrainingJob::TellRounds(Context* context) {
  const auto news = rounds_.Advance(id(), state_.generation, marks_);
  if (!news) return;
  if (news->revokes) {
    RevokeLeases(
        [&](ItemId item) {
          return plan().RoundOf(item) > news->status.closed_everywhere;
        },
        context);
  }
  context->ToOwners(placement_, news->status);
}

void TrainingJob::OrderOperations(Context* context) {
  RoundOperations::News news = operations_.Advance(marks_, placement_);
  if (!news.text.empty()) {
    context->Log(absl::StrCat("job=", record_->name, " ", news.text));
  }
  for (RoundOperations::Order& order : news.orders) {
    context->ToServer(
        context->cluster->servers.at(order.server),
        ApplyOperation{id(), state_.generation, std::move(order.operation)});
  }
}

void TrainingJob::RevokeLeases(absl::FunctionRef<bool(ItemId item)> which,
                               Context* context) {
  for (const auto& [ordinal, lease] : std::map(leases_.held())) {
    if (!which(plan().ItemAt(ordinal))) continue;
    for (const SessionId worker : leases_.HoldersOf(ordinal)) {
      Revoke(ordinal, worker, context);
    }
  }
}

void TrainingJob::RequestCheckpoint(Context* context) {
  context->ToOwners(placement_, CheckpointNow{id()});
}

void TrainingJob::Statistics(const ServerStatistics& statistics,
                             Context* context) {
  statistics_.updates += statistics.updates;
  statistics_.traffic += statistics.traffic;
  auto& histogram = statistics_.staleness;
  if (histogram.size() < statistics.staleness.size()) {
    histogram.resize(statistics.staleness.size());
  }
  statistics_.clock_lead =
      std::max(statistics_.clock_lead, statistics.clock_lead);
  for (size_t i = 0; i < statistics.staleness.size(); ++i) {
    histogram[i] += statistics.staleness[i];
  }
  for (const EpochLossSum& loss : statistics.losses) {
    if (loss.epoch < plan().epochs) statistics_.losses[loss.epoch] = loss;
  }
  if (statistics.loss_examples == 0) return;
  statistics_.recent_loss =
      statistics.loss_sum / static_cast<double>(statistics.loss_examples);
  LookForDivergence(context);
}

// --- Evaluation -------------------------------------------------------------

void TrainingJob::SnapshotTaken(const ServerInfo& server,
                                const SnapshotReply& reply) {
  evaluator_.SnapshotTaken(server, reply);
}

void TrainingJob::Evaluated(const EvaluationResult& result, Context* context) {
  EvaluationEnded(evaluator_.Evaluated(result, context), context);
}

void TrainingJob::EvaluationEnded(std::optional<Evaluation> evaluation,
                                  Context* context) {
  if (!evaluation) return;
  context->Tell(
      EventKind::kEvaluation, id(),
      absl::StrCat("job=", record_->name, " epoch ", evaluation->epoch + 1,
                   EvaluationText(*evaluation, training_facts_.squared_loss)));
  state_.AddEvaluation(*std::move(evaluation));
  dirty_ = true;
  MarksChanged(context);
}

// --- Time -------------------------------------------------------------------

std::vector<SessionId> TrainingJob::Tick(Context* context) {
  std::vector<SessionId> silent;
  if (!started_) return silent;
  last_tick_ = context->now;
  TickMoves(context);
  // While a server is away no worker can advance, and none is to blame.
  if (placement_.AllRegistered()) {
    silent = LeasesRanOut(context);
    leases_.ReopenUnconfirmed(context->now);
  }
  EvaluationEnded(evaluator_.Tick(context), context);
  return silent;
}

absl::Time TrainingJob::NextTick() const {
  if (!started_) return absl::InfiniteFuture();
  absl::Time next = absl::InfiniteFuture();
  if (placement_.AllRegistered()) next = leases_.NextExpiry();
  return std::min({next, evaluator_.NextTick(), NextMoveTick()});
}

}  // namespace ebb::scheduler
