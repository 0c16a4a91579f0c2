#include "server/incoming_moves.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "rpc/call_failure.h"
#include "server/incoming_move.h"

namespace ebb::server {

namespace {

// How often a move that goes on says so.
constexpr absl::Duration kSignOfLife = absl::Milliseconds(250);

// More than the scheduler waits before it orders a move again that failed.
constexpr absl::Duration kLongestPause = absl::Minutes(2);

std::string WhyNot(const PeerTrouble& source) {
  return absl::StrCat("it cannot reach the server at ", source.address, ": ",
                      source.why.text);
}

void GiveUp(HostedPartition* hosted) {
  hosted->incoming.reset();
  if (hosted->OwnedElsewhere()) hosted->room = {};
}

}  // namespace

IncomingMoves::IncomingMoves(JobPartitions* job)
    : job_(*job), answers_(kLongestPause) {}

bool IncomingMoves::Begin(const MoveIn& order, absl::Time now,
                          ServerActions* out) {
  if (!job_.EnsureResources(out)) {
    Fail(order.partition, order.term, job_.problem, out);
    return false;
  }
  HostedPartition& hosted = job_.partitions[order.partition];
  if (const absl::Status room = job_.MakeRoom(order.partition, &hosted);
      !room.ok()) {
    Fail(order.partition, order.term, std::string(room.message()), out);
    return false;
  }
  hosted.incoming = std::make_unique<IncomingMove>(order, job_.resources.pool);
  if (order.source_server) {
    answers_.Placed(*order.source_server, order.source, now);
  }
  next_sign_ = std::min(next_sign_, now + kSignOfLife);
  FetchNext(&hosted, now, out);
  return true;
}

void IncomingMoves::FetchNext(HostedPartition* hosted, absl::Time now,
                              ServerActions* out) {
  while (auto task = hosted->incoming->Next(now)) {
    out->push_back(Fetch{*std::move(task)});
  }
}

void IncomingMoves::Fetched(const FetchRequest& request,
                            absl::StatusOr<server::Fetched> fetched,
                            absl::Time now, ServerActions* out) {
  HostedPartition& hosted = job_.partitions[request.partition];
  if (hosted.incoming == nullptr ||
      hosted.incoming->term() != request.new_term) {
    return;  // Given up meanwhile.
  }
  if (fetched.ok()) {
    if (const auto why = WhyNotFrom(*hosted.incoming, request, *fetched, now)) {
      fetched =
          rpc::WithCause(absl::FailedPreconditionError(why->text), why->cause);
    }
  }
  const absl::Status status =
      hosted.incoming->OnFetched(request, std::move(fetched), now);
  if (!status.ok()) {
    auto unreached = hosted.incoming->unreached(now);
    std::string why(status.message());
    if (unreached) {
      why = WhyNot(*unreached);
      out->push_back(
          LogEvent{absl::StrCat("job=", job_.stored.record->name,
                                " partition=", request.partition.value(),
                                " cannot move here: ", why, "; ",
                                WhatToDo(unreached->why.cause,
                                         unreached->address, "this server")),
                   /*warning=*/true});
    }
    return Fail(request.partition, request.new_term, std::move(why), out,
                std::move(unreached));
  }
  if (hosted.incoming->complete()) {
    return Store(request.partition, &hosted, now, out);
  }
  FetchNext(&hosted, now, out);
}

std::optional<CallFailure> IncomingMoves::WhyNotFrom(
    const IncomingMove& move, const FetchRequest& request,
    const server::Fetched& fetched, absl::Time now) {
  if (!move.source()) return std::nullopt;
  return answers_.Heard({*move.source(), request.source, move.source_address(),
                         fetched.server, fetched.server_session},
                        now);
}

void IncomingMoves::Store(PartitionId id, HostedPartition* hosted,
                          absl::Time now, ServerActions* out) {
  IncomingMove& move = *hosted->incoming;
  move.storing_since = now;
  auto values = Partition::FromCut(job_.stored.record, id, job_.resources.rule,
                                   job_.resources.pool, move.TakeCut(),
                                   /*stored=*/false);
  if (!values.ok()) {
    return Fail(id, move.term(), std::string(values.status().message()), out);
  }
  move.values = *std::move(values);
  absl::StatusOr<Cut> cut = move.values->TakeCut();
  if (!cut.ok()) {
    return Fail(id, move.term(), std::string(cut.status().message()), out);
  }
  const VersionKey key = {job_.stored.record->id, job_.stored.generation, id,
                          move.term(), 0};
  out->push_back(WriteVersion{key, *std::move(cut)});
}

bool IncomingMoves::VersionWritten(const VersionKey& key,
                                   const absl::Status& status, absl::Time now,
                                   ServerActions* out) {
  HostedPartition& hosted = job_.partitions[key.partition];
  if (hosted.incoming == nullptr || hosted.incoming->term() != key.term ||
      hosted.incoming->values == nullptr || hosted.incoming->stored ||
      key.sequence != 0 || key.generation != job_.stored.generation) {
    return false;
  }
  IncomingMove& move = *hosted.incoming;
  if (!status.ok()) {
    Fail(key.partition, key.term, std::string(status.message()), out);
    return true;
  }
  move.stored = true;
  move.values->CutWritten();
  move.storing = now - move.storing_since;
  std::optional<RoundSpan> rounds;
  if (job_.plan().rounds()) rounds = move.values->rounds().held();
  hosted.versions.Add(key, rounds);
  // The partition as it will be served.
  HostedPartition served;
  served.term = key.term;
  served.values = move.values;
  served.versions = hosted.versions;
  served.base_durable = true;
  served.durable = move.values->marks();
  MovedIn message;
  message.session = job_.options.session;
  message.job = job_.Registration();
  message.job.partitions.push_back(
      served.Registration(key.partition, job_.stored));
  out->push_back(SendScheduler{std::move(message)});
  return true;
}

std::optional<MoveProgress> IncomingMoves::TakeOver(
    const PartitionMoved& decision, absl::Time now) {
  HostedPartition& hosted = job_.partitions[decision.partition];
  if (hosted.incoming == nullptr || !hosted.incoming->stored ||
      hosted.incoming->term() != decision.term) {
    return std::nullopt;  // It restarted, and is granted what it has stored.
  }
  const auto move = std::move(hosted.incoming);
  hosted.term = decision.term;
  hosted.values = move->values;
  hosted.next_sequence = EBB_PLANTED(copy_is_stored_again) ? 0 : 1;
  hosted.base_durable = true;
  hosted.durable = hosted.values->marks();
  MoveProgress served = ProgressOf(decision.partition, decision.term);
  served.paused = now - move->frozen_at();
  served.stored = move->storing;
  return served;
}

void IncomingMoves::Fail(PartitionId id, Term term, std::string why,
                         ServerActions* out,
                         std::optional<PeerTrouble> unreached) {
  GiveUp(&job_.partitions[id]);
  MoveProgress message = ProgressOf(id, term);
  message.unreached = std::move(unreached);
  message.failed = std::move(why);
  out->push_back(SendScheduler{std::move(message)});
}

MoveProgress IncomingMoves::ProgressOf(PartitionId id, Term term) const {
  MoveProgress message;
  message.session = job_.options.session;
  message.job = job_.stored.record->id;
  message.generation = job_.stored.generation;
  message.partition = id;
  message.term = term;
  return message;
}

void IncomingMoves::Drop() {
  for (auto& [id, hosted] : job_.partitions) GiveUp(&hosted);
  next_sign_ = absl::InfiniteFuture();
}

void IncomingMoves::Tick(absl::Time now, ServerActions* out) {
  const bool sign = next_sign_ <= now;
  if (sign) next_sign_ = absl::InfiniteFuture();
  for (auto& [id, hosted] : job_.partitions) {
    if (hosted.incoming == nullptr) continue;
    FetchNext(&hosted, now, out);
    if (!sign) continue;
    next_sign_ = now + kSignOfLife;
    out->push_back(SendScheduler{ProgressOf(id, hosted.incoming->term())});
  }
}

absl::Time IncomingMoves::NextTick() const {
  absl::Time next = next_sign_;
  for (const auto& [id, hosted] : job_.partitions) {
    if (hosted.incoming != nullptr) {
      next = std::min(next, hosted.incoming->NextTry());
    }
  }
  return next;
}

}  // namespace ebb::server
