#include "client/routes.h"

#include <algorithm>
#include <utility>

namespace ebb::client {

namespace {

// Bounds the pause between two attempts: up to 0.64 s, and 5 s.
constexpr int kMostDoublings = 5;
constexpr int kMostUnhurried = 8;

}  // namespace

Routes::Changes Routes::Update(const Placement& placement) {
  Changes changes;
  ++version_;
  std::map<ServerId, SessionId> sessions;
  for (const PartitionPlace& place : placement.partitions) {
    const int32_t p = place.partition.value();
    if (p < 0 || p >= static_cast<int32_t>(routes_.size())) continue;
    Route& route = routes_[p];
    if (place.term < route.term) continue;  // An old message.
    if (place.term > route.term) changes.partitions.push_back(place.partition);
    route = {true, place.server, place.term};
    sessions[place.server] = place.server_session;
  }
  for (const auto& [id, session] : sessions) {
    const auto [it, added] = servers_.try_emplace(id);
    Server& server = it->second;
    if (added) server.incarnation = first_incarnation_;
    if (server.session == session) continue;
    if (server.session != SessionId()) changes.servers.push_back(id);
    server.session = session;
    RetryAt(id, &server, absl::InfinitePast());
    server.failures = 0;
    server.refusals = 0;
    server.short_of_room = false;
    server.answers = true;
    PushAnswered(id);
  }
  for (const ServerAddress& address : placement.servers) {
    const auto it = servers_.find(address.server);
    if (it != servers_.end()) it->second.address = address.address;
  }
  return changes;
}

int64_t Routes::unused_incarnation() const {
  int64_t unused = first_incarnation_;
  for (const auto& [id, server] : servers_) {
    unused = std::max(unused, server.incarnation + 1);
  }
  return unused;
}

bool Routes::Complete() const {
  return std::all_of(routes_.begin(), routes_.end(),
                     [](const Route& route) { return route.known; });
}

void Routes::LacksRoom(ServerId id, absl::Time now) {
  Server& server = servers_.at(id);
  server.answers = true;
  RetryAfter(id, server.refusals++, kMostDoublings, now);
}

void Routes::PushFailed(ServerId id, absl::Duration push_lasts,
                        absl::Time now) {
  Server& server = servers_.at(id);
  server.push_failed_at = std::min(server.push_failed_at, now);
  server.pushes_fail |= now - server.push_failed_at >= push_lasts;
}

void Routes::Broke(ServerId id, const CallFailure& why, bool urgent,
                   absl::Duration call_lasts, absl::Time now) {
  Server& server = servers_.at(id);
  if (std::exchange(server.answers, false)) {
    server.broken_since = now;
    server.failed_again = server.answered_question = false;
  } else if (now - server.broken_since >= call_lasts) {
    server.failed_again = true;
  }
  server.why = why;
  RetryAfter(id, server.failures++, urgent ? kMostDoublings : kMostUnhurried,
             now);
}

std::vector<ServerId> Routes::Broken() const {
  std::vector<ServerId> broken;
  for (const auto& [id, server] : servers_) {
    if (server.answers) continue;  // Nearly always, and asked at each event.
    const bool serves = std::any_of(
        routes_.begin(), routes_.end(),
        [id = id](const Route& route) { return route.server == id; });
    if (serves) broken.push_back(id);
  }
  return broken;
}

void Routes::RetryAfter(ServerId id, int failures, int most_doublings,
                        absl::Time now) {
  constexpr absl::Duration kFirst = absl::Milliseconds(20);
  RetryAt(id, &servers_.at(id),
          now + kFirst * (1 << std::min(failures, most_doublings)));
}

void Routes::RetryAt(ServerId id, Server* server, absl::Time time) {
  retries_.erase({server->retry_at, id});
  server->retry_at = time;
  if (time != absl::InfinitePast()) retries_.insert({time, id});
}

absl::Time Routes::NextRetry(absl::Time after) const {
  const auto it = std::ranges::upper_bound(
      retries_, after, {}, &std::pair<absl::Time, ServerId>::first);
  return it == retries_.end() ? absl::InfiniteFuture() : it->first;
}

}  // namespace ebb::client
