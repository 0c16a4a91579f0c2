#include "scheduler/job/moves.h"

#include <algorithm>
#include <utility>

#include "common/plant.h"

namespace ebb::scheduler {

namespace {

// A target that failed is tried again after a while, each time a longer one.
constexpr absl::Duration kAfterFailure = absl::Seconds(1);
constexpr int kMostDoublings = 6;

}  // namespace

const Move* Moves::Find(PartitionId p, const ServerInfo& target,
                        Term term) const {
  const auto it = underway_.find(p);
  return it == underway_.end() || it->second.term != term ||
                 it->second.target_session != target.session
             ? nullptr
             : &it->second;
}

void Moves::Complete(PartitionId p) {
  underway_.erase(p);
  ++completed_;
}

void Moves::End(PartitionId p, Context* context) {
  const auto it = underway_.find(p);
  if (it == underway_.end()) return;
  const Move move = it->second;
  const Ownership one = job_.placement.at(p);
  if (!EBB_PLANTED(given_up_move_draws_no_term)) {
    owners_.Draw(p, one.owner, one.session,
                 Term(context->numbers->Draw(context->now)));
  }
  if (EBB_PLANTED(late_copy_is_committed)) {
    it->second.last_sign = context->now;
    return;
  }
  underway_.erase(it);
  ++given_up_;
  const auto target = context->cluster->servers.find(move.target);
  if (target != context->cluster->servers.end() &&
      target->second.session == move.target_session) {
    owners_.TellOwner(p, target->second, context);
  }
}

std::map<PartitionId, ServerId> Moves::Targets() const {
  std::map<PartitionId, ServerId> targets;
  for (const auto& [partition, move] : underway_) {
    targets[partition] = move.target;
  }
  return targets;
}

absl::Time Moves::NextExpiry(absl::Duration timeout) const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [partition, move] : underway_) {
    next = std::min(next, move.last_sign + timeout);
  }
  return next;
}

void Moves::Failed(ServerId target, absl::Time now) {
  Avoid& avoid = avoid_[target];
  avoid.until =
      now + kAfterFailure * (1 << std::min(avoid.failures, kMostDoublings));
  ++avoid.failures;
}

std::set<ServerId> Moves::Avoided(absl::Time now) const {
  std::set<ServerId> servers;
  for (const auto& [server, one] : avoid_) {
    if (one.until > now) servers.insert(server);
  }
  return servers;
}

absl::Time Moves::NextAvoidEnds(absl::Time after) const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [server, one] : avoid_) {
    if (one.until > after) next = std::min(next, one.until);
  }
  return next;
}

void Moves::NotePause(const Pause& pause) {
  pauses_.push_back(pause);
  if (pauses_.size() > kMostPauses) pauses_.pop_front();
}

}  // namespace ebb::scheduler
