#include "server/push_intake.h"

#include <algorithm>
#include <utility>

#include "common/plant.h"

namespace ebb::server {

namespace {

// A worker lives as long as its session; a server does not hear when it ends.
constexpr absl::Duration kForgetAfter = absl::Hours(1);

}  // namespace

PushIntake::Sequencer::Outcome PushIntake::Arrive(const PendingPushPtr& push,
                                                  absl::Time now, bool room) {
  const PushRequest& request = push->request();
  const SessionId session = request.stamp.worker;
  auto it = workers_.find(session);
  if (it == workers_.end()) {
    if (forgot_ && request.sequence > 0) {
      Sequencer::Outcome outcome;
      outcome.superseded.push_back(push);
      return outcome;
    }
    it = workers_.emplace(session, Worker{Sequencer(window_), now}).first;
  }
  Worker& worker = it->second;
  worker.heard = now;
  auto outcome = worker.pushes.Arrive(
      EBB_PLANTED(sequence_numbers_without_incarnation) ? 0
                                                        : request.incarnation,
      request.sequence, push, room);
  if (worker.pushes.holds()) {
    holding_.insert(session);
    next_tick_ = std::min(next_tick_, now + hold_);
  } else if (!holding_.empty()) {
    holding_.erase(session);
  }
  if (forget_at_ == absl::InfiniteFuture()) forget_at_ = now + kForgetAfter;
  next_tick_ = std::min(next_tick_, forget_at_);
  return outcome;
}

std::vector<PendingPushPtr> PushIntake::GiveUp(absl::Time now) {
  std::vector<PendingPushPtr> given_up;
  if (now < next_tick_) return given_up;
  if (forget_at_ <= now) {
    const auto forgotten = absl::erase_if(workers_, [&](const auto& known) {
      return !known.second.pushes.holds() &&
             known.second.heard + kForgetAfter <= now;
    });
    forgot_ = forgot_ || forgotten > 0;
    forget_at_ = workers_.empty() ? absl::InfiniteFuture() : now + kForgetAfter;
  }
  next_tick_ = forget_at_;
  for (auto it = holding_.begin(); it != holding_.end();) {
    Worker& worker = workers_.at(*it);
    const absl::Time until = worker.heard + hold_;
    if (until > now) {
      next_tick_ = std::min(next_tick_, until);
      ++it;
      continue;
    }
    for (PendingPushPtr& push : worker.pushes.Drain()) {
      given_up.push_back(std::move(push));
    }
    it = holding_.erase(it);
  }
  return given_up;
}

std::vector<PendingPushPtr> PushIntake::Drain() {
  std::vector<PendingPushPtr> all;
  for (const SessionId session : holding_) {
    for (PendingPushPtr& push : workers_.at(session).pushes.Drain()) {
      all.push_back(std::move(push));
    }
  }
  holding_.clear();
  workers_.clear();
  next_tick_ = forget_at_ = absl::InfiniteFuture();
  return all;
}

}  // namespace ebb::server
