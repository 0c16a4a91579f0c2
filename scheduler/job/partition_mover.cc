#include "scheduler/job/partition_mover.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::scheduler {

namespace {

// Each is short, and pauses what it moves.
constexpr size_t kMovesAtOnce = 1;

std::string AtMostServers(int32_t servers) {
  if (servers == 0) return "all servers";
  return absl::StrCat(servers, servers == 1 ? " server" : " servers",
                      " at most");
}

}  // namespace

PartitionMover::PartitionMover(const Uses& uses)
    : job_(*uses.job),
      owners_(*uses.owners),
      moves_(*uses.moves),
      granter_(*uses.granter),
      registrar_(*uses.registrar) {}

void PartitionMover::MoveOn(Context* context) {
  if (job_.KeepsVersion()) return;
  while (job_.started && job_.state.phase != JobPhase::kCancelled &&
         moves_.underway().size() < kMovesAtOnce) {
    const auto wanted =
        NextMove(job_.placement,
                 Takers(*context->cluster, job_.placement, job_.state.servers),
                 moves_.Targets(), moves_.Avoided(context->now),
                 context->partitions_of_all_jobs);
    if (!wanted) return;
    Begin(*wanted, context);
  }
}

void PartitionMover::Begin(const WantedMove& wanted, Context* context) {
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
  order.record = job_.record;
  order.generation = job_.state.generation;
  order.rollback = job_.state.rollback;
  order.known_servers = context->cluster->ServerIds();
  order.partition = wanted.partition;
  order.term = move.term;
  order.source = source.session;
  order.source_address = source.address;
  order.source_server = source.id;
  order.source_term = job_.placement.at(wanted.partition).drawn;
  moves_.Begin(move);
  context->ToServer(target, std::move(order));
}

void PartitionMover::Progressed(const ServerInfo& server,
                                const MoveProgress& progress,
                                Context* context) {
  if (progress.paused > absl::ZeroDuration()) {
    NotePause(server, progress, context);
    return;
  }
  const Move* move = moves_.Find(progress.partition, server, progress.term);
  if (move == nullptr) return;
  moves_.Sign(progress.partition, context->now);
  if (progress.failed.empty()) return;
  const ServerId source = move->source;
  GiveUp(progress.partition, progress.failed, context);
  if (!progress.unreached) {
    moves_.SetUnreached(server.id, std::nullopt);
    return;
  }
  UnreachedServer unreached{*progress.unreached,
                            context->now - progress.unreached->lasts,
                            context->now};
  unreached.trouble.server = source;
  moves_.SetUnreached(server.id, std::move(unreached));
}

void PartitionMover::NotePause(const ServerInfo& server,
                               const MoveProgress& progress, Context* context) {
  if (progress.partition.value() >= job_.placement.size() ||
      job_.placement.at(progress.partition).drawn != progress.term) {
    return;
  }
  context->Log(absl::StrCat(
      "job=", job_.name(), " partition ", progress.partition.value(),
      " is served by server ", server.id.value(), " after a pause of ",
      absl::FormatDuration(progress.paused), ", of which ",
      absl::FormatDuration(progress.stored), " to store it"));
  moves_.NotePause(
      {progress.partition, server.id, progress.paused, progress.stored});
}

bool PartitionMover::MovedIn(const ServerInfo& server,
                             const JobRegistration& registration,
                             Context* context) {
  if (registration.generation != job_.state.generation ||
      job_.state.phase == JobPhase::kCancelled) {
    return false;
  }
  for (const PartitionRegistration& one : registration.partitions) {
    const Move* move = moves_.Find(one.partition, server, one.term);
    if (move == nullptr ||
        (one.term <= job_.placement.at(one.partition).drawn &&
         !EBB_PLANTED(late_copy_is_committed))) {
      continue;  // Given up: who says so has been told.
    }
    Commit(one, Move(*move), server, context);
  }
  return true;
}

// The commit point: the new owner is stored before anybody hears of it.
void PartitionMover::Commit(const PartitionRegistration& one, const Move& move,
                            const ServerInfo& server, Context* context) {
  moves_.Complete(one.partition);
  owners_.SetOwner(one.partition, server.id);
  owners_.SetDurable(one.partition, "", Term());  // Until it is believed.
  owners_.Draw(one.partition, server.id, server.session, one.term);
  owners_.NoteMoved(one.partition);
  owners_.HasStale(one.partition, move.source);
  if (!registrar_.Believe(server, one, context)) {
    // It says that it has something else than it was asked for.
    granter_.Grant({one.partition}, context);
    return;
  }
  context->Tell(
      EventKind::kMoved, job_.id(),
      absl::StrCat("job=", job_.name(), " partition ", one.partition.value(),
                   " moved from server ", move.source.value(), " to ",
                   server.id.value(), " in ",
                   absl::FormatDuration(context->now - move.begun)));
  owners_.TellOwner(one.partition, server, context);
  owners_.TellStale(one.partition, context);  // The source, too.
  moves_.Forgive(server.id);
  granter_.SendNews(server, context);
}

// The source goes on under a new term; who has the copy forgets it.
void PartitionMover::GiveUp(PartitionId p, const std::string& why,
                            Context* context) {
  const Move move = moves_.underway().at(p);
  context->Log(absl::StrCat("job=", job_.name(), " partition ", p.value(),
                            " stays with server ", move.source.value(),
                            "; its move to ", move.target.value(),
                            " was given up: ", why));
  moves_.Failed(move.target, context->now);
  moves_.End(p, context);
  if (EBB_PLANTED(given_up_move_draws_no_term)) return;
  granter_.Grant({p}, context);
}

void PartitionMover::TargetLost(const ServerInfo& target, Context* context) {
  for (const auto& [p, to] : moves_.Targets()) {
    if (to != target.id) continue;
    GiveUp(p, absl::StrCat("server ", target.id.value(), " is away"), context);
  }
}

void PartitionMover::GiveUpAll(const std::string& why, Context* context) {
  for (const auto& [p, target] : moves_.Targets()) GiveUp(p, why, context);
}

bool PartitionMover::TakesFrom(const ServerInfo& server,
                               const Context& context) const {
  if (!job_.started || job_.state.phase == JobPhase::kCancelled ||
      job_.KeepsVersion()) {
    return false;
  }
  return owners_.Owned(server.id) > 0 &&
         !Takers(*context.cluster, job_.placement, job_.state.servers).empty();
}

absl::Status PartitionMover::Scale(int32_t servers, Context* context) {
  if (servers < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("servers is ", servers, "; at least 0 needed"));
  }
  if (servers != job_.state.servers) {
    context->Tell(
        EventKind::kJobScaled, job_.id(),
        absl::StrCat("job=", job_.name(), " lies on ", AtMostServers(servers),
                     " instead of ", AtMostServers(job_.state.servers),
                     ": an operator said so (ebb scale)",
                     job_.KeepsVersion()
                         ? ". Its partitions stay where they are until it is "
                           "complete: they would leave the kept version behind"
                         : ""));
  }
  job_.state.servers = servers;
  job_.dirty = true;
  moves_.ForgiveAll();
  MoveOn(context);
  return absl::OkStatus();
}

void PartitionMover::Tick(Context* context) {
  last_tick_ = context->now;
  for (const auto& [p, move] : std::map(moves_.underway())) {
    if (move.last_sign + job_.options.move_timeout > context->now) continue;
    GiveUp(p,
           absl::StrCat("its target showed no progress for ",
                        absl::FormatDuration(job_.options.move_timeout)),
           context);
  }
}

absl::Time PartitionMover::NextTick() const {
  return std::min(moves_.NextExpiry(job_.options.move_timeout),
                  moves_.NextAvoidEnds(last_tick_));
}

}  // namespace ebb::scheduler
