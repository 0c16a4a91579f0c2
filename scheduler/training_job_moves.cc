// How partitions change their server: moves, and takeover from the copies in a
// shared folder (docs/decisions/0006).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/balance.h"
#include "scheduler/training_job.h"

namespace ebb::scheduler {

namespace {

// Each is short, and pauses what it moves.
constexpr size_t kMovesAtOnce = 1;
// A target that failed is tried again after a while, each time a longer one.
constexpr absl::Duration kAfterFailure = absl::Seconds(1);
constexpr int kMostDoublings = 6;

std::string AtMostServers(int32_t servers) {
  if (servers == 0) return "all servers";
  return absl::StrCat(servers, servers == 1 ? " server" : " servers",
                      " at most");
}

}  // namespace

void TrainingJob::SetOwner(PartitionId p, ServerId owner) {
  placement_.SetOwner(p, owner);
  state_.owners[p.value()] = owner;
  state_.owned_since[p.value()] = Term();
  dirty_ = true;
}

void TrainingJob::SetDurable(PartitionId p, const std::string& folder,
                             Term term) {
  std::string& known = state_.durable_in[p.value()];
  dirty_ = dirty_ || known != folder || state_.durable_term[p.value()] != term;
  known = folder;
  state_.durable_term[p.value()] = term;
}

// --- Moves -------------------------------------------------------------------

void TrainingJob::MoveOn(Context* context) {
  while (started_ && state_.phase != JobPhase::kCancelled &&
         moves_.underway.size() < kMovesAtOnce) {
    const auto wanted = NextMove(
        placement_, Takers(*context->cluster, placement_, state_.servers),
        moves_.Targets(), moves_.Avoided(context->now));
    if (!wanted) return;
    BeginMove(*wanted, context);
  }
}

void TrainingJob::BeginMove(const WantedMove& wanted, Context* context) {
  const ServerInfo& source = context->cluster->servers.at(wanted.from);
  const ServerInfo& target = context->cluster->servers.at(wanted.to);
  Move move;
  move.partition = wanted.partition;
  move.source = source.id;
  move.target = target.id;
  move.target_session = target.session;
  move.term = Term(context->numbers->Draw(context->now));
  move.begun = move.last_sign = context->now;
  MoveIn order;
  order.server = target.id;
  order.session = target.session;
  order.record = record_;
  order.generation = state_.generation;
  order.rollback = state_.rollback;
  order.known_servers = context->cluster->ServerIds();
  order.partition = wanted.partition;
  order.term = move.term;
  order.source = source.session;
  order.source_address = source.address;
  order.source_term = placement_.at(wanted.partition).drawn;
  moves_.underway[wanted.partition] = move;
  context->ToServer(target, std::move(order));
}

void TrainingJob::Progressed(const ServerInfo& server,
                             const MoveProgress& progress, Context* context) {
  if (progress.paused > absl::ZeroDuration()) {
    NotePause(server, progress, context);
    return;
  }
  const auto it = moves_.underway.find(progress.partition);
  if (it == moves_.underway.end() || it->second.term != progress.term ||
      it->second.target_session != server.session) {
    return;
  }
  it->second.last_sign = context->now;
  if (progress.failed.empty()) return;
  const ServerId source = it->second.source;
  GiveUpMove(progress.partition, progress.failed, context);
  auto& unreached = moves_.avoid[server.id].unreached;
  unreached.reset();
  if (!progress.unreached) return;
  unreached =
      UnreachedServer{*progress.unreached,
                      context->now - progress.unreached->lasts, context->now};
  unreached->trouble.server = source;
}

void TrainingJob::NotePause(const ServerInfo& server,
                            const MoveProgress& progress, Context* context) {
  if (progress.partition.value() >= placement_.size() ||
      placement_.at(progress.partition).drawn != progress.term) {
    return;
  }
  context->Log(absl::StrCat(
      "job=", record_->name, " partition ", progress.partition.value(),
      " is served by server ", server.id.value(), " after a pause of ",
      absl::FormatDuration(progress.paused), ", of which ",
      absl::FormatDuration(progress.stored), " to store it"));
  moves_.pauses.push_back(
      {progress.partition, server.id, progress.paused, progress.stored});
  if (moves_.pauses.size() > Moves::kMostPauses) moves_.pauses.pop_front();
}

// The commit point: the new owner is stored before any daemon hears of it.
void TrainingJob::PartitionMovedIn(const ServerInfo& server,
                                   const JobRegistration& registration,
                                   Context* context) {
  if (registration.generation != state_.generation ||
      state_.phase == JobPhase::kCancelled) {
    return;
  }
  for (const PartitionRegistration& one : registration.partitions) {
    const auto it = moves_.underway.find(one.partition);
    if (it == moves_.underway.end() || it->second.term != one.term ||
        it->second.target_session != server.session ||
        (one.term <= placement_.at(one.partition).drawn &&
         !EBB_PLANTED(late_copy_is_committed))) {
      continue;  // Given up: the sender has been told.
    }
    const Move move = it->second;
    moves_.underway.erase(it);
    ++moves_.completed;
    SetOwner(one.partition, server.id);
    SetDurable(one.partition, "", Term());  // Until it is believed.
    placement_.Drawn(one.partition, server.id, server.session, one.term);
    RememberDrawn(one.partition);
    state_.moved[one.partition.value()] = one.term;
    stale_[one.partition].insert(move.source);
    if (!Believe(server, one, context)) {
      // It says that it has something else than it was asked for.
      GrantAnew({one.partition}, context);
      continue;
    }
    context->Tell(
        EventKind::kMoved, id(),
        absl::StrCat("job=", record_->name, " partition ",
                     one.partition.value(), " moved from server ",
                     move.source.value(), " to ", server.id.value(), " in ",
                     absl::FormatDuration(context->now - move.begun)));
    TellOwner(one.partition, server, context);
    TellStale(one.partition, context);  // The source, too.
    moves_.avoid.erase(server.id);
    SendNews(server, context);
  }
  // A snapshot does not move: what was pinned of it is no more.
  evaluator_.ServersBack(context);
  PlacementChanged(context);
  MarksChanged(context);
  MoveOn(context);
}

void TrainingJob::TellOwner(PartitionId p, const ServerInfo& server,
                            Context* context) {
  const Ownership& one = placement_.at(p);
  context->ToServer(
      server, PartitionMoved{id(), state_.generation, p, one.drawn, one.owner});
}

// The source goes on under a new term; the target forgets its copy.
void TrainingJob::GiveUpMove(PartitionId p, const std::string& why,
                             Context* context) {
  const Move move = moves_.underway.at(p);
  context->Log(absl::StrCat("job=", record_->name, " partition ", p.value(),
                            " stays with server ", move.source.value(),
                            "; its move to ", move.target.value(),
                            " was given up: ", why));
  Moves::Avoid& avoid = moves_.avoid[move.target];
  avoid.until = context->now +
                kAfterFailure * (1 << std::min(avoid.failures, kMostDoublings));
  ++avoid.failures;
  EndMove(p, context);
  if (EBB_PLANTED(given_up_move_draws_no_term)) return;
  GrantAnew({p}, context);
}

// Another term than the move's is drawn: it can be committed no more.
void TrainingJob::EndMove(PartitionId p, Context* context) {
  const auto it = moves_.underway.find(p);
  if (it == moves_.underway.end()) return;
  const Move move = it->second;
  const Ownership one = placement_.at(p);
  if (!EBB_PLANTED(given_up_move_draws_no_term)) {
    placement_.Drawn(p, one.owner, one.session,
                     Term(context->numbers->Draw(context->now)));
    RememberDrawn(p);
  }
  if (EBB_PLANTED(late_copy_is_committed)) {
    it->second.last_sign = context->now;
    return;
  }
  moves_.underway.erase(it);
  ++moves_.given_up;
  const auto target = context->cluster->servers.find(move.target);
  if (target != context->cluster->servers.end() &&
      target->second.session == move.target_session) {
    TellOwner(p, target->second, context);
  }
}

void TrainingJob::EndMovesTo(const ServerInfo& target, Context* context) {
  for (const auto& [p, to] : moves_.Targets()) {
    if (to != target.id) continue;
    GiveUpMove(p, absl::StrCat("server ", target.id.value(), " is away"),
               context);
  }
}

void TrainingJob::TickMoves(Context* context) {
  for (const auto& [p, move] : std::map(moves_.underway)) {
    if (move.last_sign + options_.move_timeout > context->now) continue;
    GiveUpMove(p,
               absl::StrCat("its target showed no progress for ",
                            absl::FormatDuration(options_.move_timeout)),
               context);
  }
  TakeOver(context);
  MoveOn(context);
}

absl::Time TrainingJob::NextMoveTick() const {
  absl::Time next = moves_.NextExpiry(options_.move_timeout);
  next = std::min(next, moves_.NextAvoidEnds(last_tick_));
  return std::min(next, take_over_at_);
}

bool TrainingJob::TakesFrom(const ServerInfo& server,
                            const Context& context) const {
  if (!started_ || state_.phase == JobPhase::kCancelled) return false;
  return Owned(server.id) > 0 &&
         !Takers(*context.cluster, placement_, state_.servers).empty();
}

int64_t TrainingJob::Owned(ServerId server) const {
  int64_t owned = 0;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    owned += placement_.at(PartitionId(p)).owner == server ? 1 : 0;
  }
  return owned;
}

absl::Status TrainingJob::ScaleServers(int32_t servers, Context* context) {
  if (servers < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("servers is ", servers, "; at least 0 needed"));
  }
  if (servers != state_.servers) {
    context->Tell(
        EventKind::kJobScaled, id(),
        absl::StrCat("job=", record_->name, " lies on ", AtMostServers(servers),
                     " instead of ", AtMostServers(state_.servers),
                     ": an operator said so (ebb scale)"));
  }
  state_.servers = servers;
  dirty_ = true;
  moves_.avoid.clear();
  MoveOn(context);
  return absl::OkStatus();
}

// --- Takeover ----------------------------------------------------------------

// Durable versions in a shared folder are within reach of every server that has
// the folder. The owner's present folder proves nothing: its newest durable
// version may be of a life in which it had none, or another.
void TrainingJob::TakeOver(Context* context) {
  take_over_at_ = absl::InfiniteFuture();
  if (!started_ || placement_.AllRegistered() ||
      state_.phase == JobPhase::kCancelled) {
    return;
  }
  std::map<std::pair<ServerId, std::string>, std::vector<PartitionId>> orphans;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    const auto it =
        context->cluster->servers.find(placement_.at(PartitionId(p)).owner);
    if (it == context->cluster->servers.end() || it->second.connected) continue;
    const std::string& folder = EBB_PLANTED(folder_of_now_is_trusted)
                                    ? it->second.shared_folder
                                    : state_.durable_in[p];
    if (folder.empty() && !EBB_PLANTED(takeover_without_copies)) continue;
    const absl::Time at = it->second.since + options_.takeover_after;
    if (at > context->now) {
      take_over_at_ = std::min(take_over_at_, at);
    } else {
      orphans[{it->first, folder}].emplace_back(p);
    }
  }
  for (const auto& [from, partitions] : orphans) {
    TakeOver(from.first, from.second, partitions, context);
  }
}

void TrainingJob::TakeOver(ServerId from, const std::string& folder,
                           const std::vector<PartitionId>& partitions,
                           Context* context) {
  std::set<ServerId> heirs;
  for (const auto& [id, server] : context->cluster->servers) {
    const bool shares =
        server.shared_folder == folder || EBB_PLANTED(takeover_without_copies);
    if (server.connected && !server.leaving && shares) heirs.insert(id);
  }
  if (heirs.empty()) return;  // Asked again when a server registers.
  context->Tell(EventKind::kMoved, id(),
                absl::StrCat("job=", record_->name, " server=", from.value(),
                             " is away for ",
                             absl::FormatDuration(options_.takeover_after),
                             ": its ", partitions.size(),
                             " partitions go to others, which load the copies"),
                NameOf(from));
  for (const PartitionId p : partitions) {
    SetOwner(p, Emptiest(placement_, heirs));
    ++taken_over_;
  }
  GrantAnew(partitions, context);
  for (const PartitionId p : partitions) {
    state_.moved[p.value()] = placement_.at(p).drawn;
  }
}

namespace {

// Null: the server does not mention the job.
const JobRegistration* Of(JobId job, const RegisterServer& message) {
  const auto mine = std::ranges::find_if(
      message.jobs, [&](const JobRegistration& registration) {
        return registration.record != nullptr && registration.record->id == job;
      });
  return mine == message.jobs.end() ? nullptr : &*mine;
}

// Null: it does not mention the partition.
const PartitionRegistration* Of(PartitionId p,
                                const JobRegistration* registration) {
  if (registration == nullptr) return nullptr;
  const auto one = std::ranges::find(registration->partitions, p,
                                     &PartitionRegistration::partition);
  return one == registration->partitions.end() ? nullptr : &*one;
}

// 0: nothing.
Term ClaimedOf(PartitionId p, const JobRegistration* registration) {
  const PartitionRegistration* one = Of(p, registration);
  return one == nullptr ? Term() : ClaimedTerm(*one);
}

}  // namespace

// Until it has a version of its own, the versions that it took over are in the
// folder only. So are those that became durable while the scheduler was away.
std::string TrainingJob::LacksFolder(const RegisterServer& message) const {
  if (state_.phase == JobPhase::kCancelled) return "";
  const JobRegistration* mine = Of(id(), message);
  for (int32_t p = 0; p < placement_.size(); ++p) {
    const std::string& folder = state_.durable_in[p];
    if (placement_.at(PartitionId(p)).owner == message.server &&
        !folder.empty() && folder != message.shared_folder &&
        ClaimedOf(PartitionId(p), mine) <
            std::max(state_.durable_term[p], state_.moved[p])) {
      return absl::StrCat(
          "the newest checkpoint of partition ", p, " of job ", record_->name,
          " is in --shared-checkpoints that this process was not started with");
    }
  }
  return "";
}

bool TrainingJob::LacksWhatItsIdHad(const RegisterServer& message,
                                    bool same_store, bool gathering) const {
  if (state_.phase == JobPhase::kCancelled) return false;
  const JobRegistration* mine = Of(id(), message);
  const bool may_lack_all = mine == nullptr && !same_store;
  // What was adopted from servers since is not in the scheduler's store.
  if (may_lack_all && gathering) return true;
  for (int32_t p = 0; p < placement_.size(); ++p) {
    const Ownership& one = placement_.at(PartitionId(p));
    if (one.owner != message.server || !one.kept) continue;
    if (may_lack_all) return true;
    const Term claimed = ClaimedOf(PartitionId(p), mine);
    // It may not have stored it before it died, or since it got it. From before
    // a rollback, a server that came back needs only the versions that led to
    // the rollback; the terms of a generation are drawn after its own number.
    const Term stored = state_.durable_term[p];
    if (stored == Term() || stored < state_.moved[p]) continue;
    // It moved away since, which an older store of the scheduler's forgot.
    const PartitionRegistration* said = Of(PartitionId(p), mine);
    if (said != nullptr && said->term > stored) continue;
    const bool of_generation = stored.value() > state_.generation.value();
    const VersionKey* from = state_.rollback.Find(PartitionId(p));
    const Term wanted = of_generation     ? stored
                        : from != nullptr ? from->term
                                          : Term();
    if (claimed == Term() || claimed < wanted) return true;
  }
  return false;
}

// --- Partitions that another server owns -------------------------------------

// Only when the owner has something durable: until then it may be the others'
// that counts.
void TrainingJob::TellStale(PartitionId p, Context* context) {
  const Ownership& one = placement_.at(p);
  if (!one.registered || !one.durable) return;
  const auto it = stale_.find(p);
  if (it == stale_.end()) return;
  for (const ServerId id : it->second) {
    const auto server = context->cluster->servers.find(id);
    if (id != one.owner && server != context->cluster->servers.end()) {
      TellOwner(p, server->second, context);
    }
  }
  stale_.erase(it);
}

}  // namespace ebb::scheduler
