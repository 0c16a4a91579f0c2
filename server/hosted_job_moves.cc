// Both ends of a partition's move to another server (docs/decisions/0006).
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "server/hosted_job.h"

namespace ebb::server {

namespace {

// How often a move that goes on says so.
constexpr absl::Duration kSignOfLife = absl::Milliseconds(250);
// Of one answer: a target asks for less.
constexpr int64_t kMostFloats = int64_t{16} << 20;

}  // namespace

// --- The source --------------------------------------------------------------

void HostedJob::Fetch(uint64_t token, FetchRequest request,
                      ServerActions* out) {
  const auto it = partitions_.find(request.partition);
  const bool here = it != partitions_.end() && it->second.serving() &&
                    it->second.term == request.term &&
                    request.new_term > request.term &&
                    request.source == options_.session &&
                    request.generation == job_.generation;
  if (!here) {
    out->push_back(
        ReplyFetch{token, {.result = FetchResult::kNotHere, .key = {}}});
    return;
  }
  HostedPartition& hosted = it->second;
  if (!request.blocks.empty()) return FetchBlocks(token, hosted, request, out);
  hosted.frozen = hosted.frozen || request.freeze;
  if (hosted.busy) {
    hosted.parked_fetches.push_back({token, std::move(request)});
  } else {
    FetchCut(token, &hosted, request, out);
  }
}

void HostedJob::FetchCut(uint64_t token, HostedPartition* hosted,
                         const FetchRequest& request, ServerActions* out) {
  FetchAnswer answer;
  answer.key = {request.job, request.generation, request.partition,
                request.new_term, 0};
  answer.cut = hosted->values->TakeCut();
  // Blocks of the cut before that are not in this one are asked for no more.
  HostedPartition::OutgoingMove move;
  move.new_term = request.new_term;
  for (const auto& [name, array] : answer.cut->arrays) {
    int64_t left = array.floats;
    for (const BlockRef& block : array.blocks) {
      const auto floats =
          std::min(left, static_cast<int64_t>(block.floats().size()));
      move.blocks[block.content_id()] = {block, floats};
      left -= floats;
    }
  }
  hosted->outgoing = std::move(move);
  out->push_back(ReplyFetch{token, std::move(answer)});
}

void HostedJob::FetchBlocks(uint64_t token, const HostedPartition& hosted,
                            const FetchRequest& request, ServerActions* out) {
  FetchAnswer answer;
  int64_t floats = 0;
  for (const uint64_t number : request.blocks) {
    const auto* move =
        hosted.outgoing.has_value() ? &*hosted.outgoing : nullptr;
    if (move == nullptr || move->new_term != request.new_term ||
        !move->blocks.contains(number)) {
      answer = {.result = FetchResult::kGone, .key = {}};
      break;
    }
    answer.blocks.push_back(move->blocks.at(number));
    floats += answer.blocks.back().floats;
    if (floats > kMostFloats) {
      answer = {.result = FetchResult::kGone, .key = {}};
      break;
    }
  }
  out->push_back(ReplyFetch{token, std::move(answer)});
}

void HostedJob::AnswerFetches(HostedPartition* hosted, ServerActions* out) {
  for (const HostedPartition::ParkedFetch& parked :
       std::exchange(hosted->parked_fetches, {})) {
    FetchCut(parked.token, hosted, parked.request, out);
  }
}

// The term that it was moved in ends.
void HostedJob::EndOutgoing(HostedPartition* hosted, ServerActions* out) {
  hosted->frozen = false;
  hosted->outgoing.reset();
  for (const HostedPartition::ParkedFetch& parked :
       std::exchange(hosted->parked_fetches, {})) {
    out->push_back(
        ReplyFetch{parked.token, {.result = FetchResult::kNotHere, .key = {}}});
  }
}

// --- The target --------------------------------------------------------------

void HostedJob::TakeMove(const MoveIn& order, absl::Time now,
                         ServerActions* out) {
  if (order.server != options_.id || order.session != options_.session) return;
  if (order.generation < job_.generation) {
    out->push_back(
        SendScheduler{RegisterPartitions{options_.session, Registration()}});
    return;
  }
  if (order.generation > job_.generation) {
    AdoptGeneration(order.record, order.generation, order.rollback, out);
  }
  KnowServers(order.known_servers, out);
  HostedPartition& hosted = partitions_[order.partition];
  if (order.term <= hosted.highest_seen) return;
  hosted.highest_seen = order.term;
  // Whatever it had, another server owns it now.
  DropPartition(&hosted, out);
  hosted.term = Term();
  if (!EnsureResources(out)) {
    return MoveFailed(order.partition, order.term, problem_, out);
  }
  if (const absl::Status room = MakeRoom(order.partition, &hosted);
      !room.ok()) {
    return MoveFailed(order.partition, order.term, std::string(room.message()),
                      out);
  }
  BeginCheckpoints(now);
  hosted.incoming = std::make_unique<IncomingMove>(order, resources_.pool);
  next_move_sign_ = std::min(next_move_sign_, now + kSignOfLife);
  Fetch(order.partition, &hosted, now, out);
}

void HostedJob::Fetch(PartitionId id, HostedPartition* hosted, absl::Time now,
                      ServerActions* out) {
  if (auto task = hosted->incoming->Next(now)) {
    out->push_back(server::Fetch{*std::move(task)});
  }
}

void HostedJob::Fetched(const FetchRequest& request,
                        absl::StatusOr<server::Fetched> fetched, absl::Time now,
                        ServerActions* out) {
  HostedPartition& hosted = partitions_[request.partition];
  if (hosted.incoming == nullptr ||
      hosted.incoming->term() != request.new_term) {
    return;  // Given up meanwhile.
  }
  const absl::Status status =
      hosted.incoming->OnFetched(request, std::move(fetched), now);
  if (!status.ok()) {
    return MoveFailed(request.partition, request.new_term,
                      std::string(status.message()), out);
  }
  if (hosted.incoming->complete()) {
    return StoreMoved(request.partition, &hosted, now, out);
  }
  Fetch(request.partition, &hosted, now, out);
}

void HostedJob::StoreMoved(PartitionId id, HostedPartition* hosted,
                           absl::Time now, ServerActions* out) {
  IncomingMove& move = *hosted->incoming;
  move.storing_since = now;
  auto values = Partition::FromCut(job_.record, id, resources_.rule,
                                   resources_.pool, move.TakeCut());
  if (!values.ok()) {
    return MoveFailed(id, move.term(), std::string(values.status().message()),
                      out);
  }
  move.values = *std::move(values);
  const VersionKey key = {job_.record->id, job_.generation, id, move.term(), 0};
  out->push_back(WriteVersion{key, move.values->TakeCut()});
}

bool HostedJob::MovedVersionWritten(const VersionKey& key,
                                    const absl::Status& status, absl::Time now,
                                    ServerActions* out) {
  HostedPartition& hosted = partitions_[key.partition];
  if (hosted.incoming == nullptr || hosted.incoming->term() != key.term ||
      hosted.incoming->values == nullptr || hosted.incoming->stored ||
      key.sequence != 0 || key.generation != job_.generation) {
    return false;
  }
  IncomingMove& move = *hosted.incoming;
  if (!status.ok()) {
    MoveFailed(key.partition, key.term, std::string(status.message()), out);
    return true;
  }
  move.stored = true;
  move.storing = now - move.storing_since;
  std::optional<RoundSpan> rounds;
  if (plan().rounds()) rounds = move.values->rounds();
  hosted.versions.Add(key, rounds);
  // As it will be when it is served.
  HostedPartition served;
  served.term = key.term;
  served.values = move.values;
  served.versions = hosted.versions;
  served.base_durable = true;
  served.durable = move.values->marks();
  MovedIn message;
  message.session = options_.session;
  message.job.record = job_.record;
  message.job.generation = job_.generation;
  message.job.rollback = job_.rollback;
  message.job.partitions.push_back(served.Registration(key.partition, job_));
  out->push_back(SendScheduler{std::move(message)});
  return true;
}

void HostedJob::MoveFailed(PartitionId id, Term term, std::string why,
                           ServerActions* out) {
  DropIncoming(&partitions_[id]);
  MoveProgress message = ProgressOf(id, term);
  message.failed = std::move(why);
  out->push_back(SendScheduler{std::move(message)});
}

MoveProgress HostedJob::ProgressOf(PartitionId id, Term term) const {
  MoveProgress message;
  message.session = options_.session;
  message.job = job_.record->id;
  message.generation = job_.generation;
  message.partition = id;
  message.term = term;
  return message;
}

void HostedJob::TickMoves(absl::Time now, ServerActions* out) {
  const bool sign = next_move_sign_ <= now;
  if (sign) next_move_sign_ = absl::InfiniteFuture();
  for (auto& [id, hosted] : partitions_) {
    if (hosted.incoming == nullptr) continue;
    Fetch(id, &hosted, now, out);
    if (!sign) continue;
    next_move_sign_ = now + kSignOfLife;
    out->push_back(SendScheduler{ProgressOf(id, hosted.incoming->term())});
  }
}

absl::Time HostedJob::NextMoveTick() const {
  absl::Time next = next_move_sign_;
  for (const auto& [id, hosted] : partitions_) {
    if (hosted.incoming != nullptr) {
      next = std::min(next, hosted.incoming->NextTry());
    }
  }
  return next;
}

void HostedJob::DropIncoming(HostedPartition* hosted) {
  hosted->incoming.reset();
  if (hosted->OwnedElsewhere()) hosted->room = {};
}

// A scheduler that was not heard for a while has given up what it asked for.
void HostedJob::DropIncoming() {
  for (auto& [id, hosted] : partitions_) DropIncoming(&hosted);
  next_move_sign_ = absl::InfiniteFuture();
}

// --- The decision ------------------------------------------------------------

void HostedJob::Moved(const PartitionMoved& message, absl::Time now,
                      ServerActions* out) {
  if (message.generation < job_.generation) return;
  const auto it = partitions_.find(message.partition);
  if (it == partitions_.end()) return;
  HostedPartition& hosted = it->second;
  if (message.owner == options_.id) {
    if (hosted.incoming == nullptr || !hosted.incoming->stored ||
        hosted.incoming->term() != message.term) {
      return;  // It restarted meanwhile, and is granted what it has stored.
    }
    const auto move = std::move(hosted.incoming);
    hosted.term = message.term;
    hosted.values = move->values;
    hosted.next_sequence = EBB_PLANTED(copy_is_stored_again) ? 0 : 1;
    hosted.base_durable = true;
    hosted.durable = hosted.values->marks();
    ReleasePulls(out);
    MoveProgress served = ProgressOf(message.partition, message.term);
    served.paused = now - move->frozen_at();
    served.stored = move->storing;
    out->push_back(SendScheduler{std::move(served)});
    return;
  }
  if (hosted.term > message.term) return;  // It knows better.
  if (hosted.incoming != nullptr && hosted.incoming->term() > message.term) {
    return;
  }
  hosted.highest_seen = std::max(hosted.highest_seen, message.term);
  DropPartition(&hosted, out);
  hosted.term = Term();
  // The values are dropped, so nobody writes another version of it.
  if (!hosted.versions.Clear().empty()) {
    out->push_back(
        ForgetPartition{job_.record->id, message.partition, message.term});
  }
}

}  // namespace ebb::server
