#include "client/server_reach.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::client {

namespace {

// A shorter trouble is not worth a line.
constexpr absl::Duration kWorthTelling = absl::Seconds(1);
// A server that is reached answers a question, which has no values, in less.
constexpr absl::Duration kQuestionTimeout = absl::Seconds(3);
constexpr absl::Duration kPlacementPause = absl::Milliseconds(50);

// One call without an answer may be a slow one. It counts when a call that
// began later has none, either, or push after push fails.
bool IsWorthTelling(const Routes::Server& server, absl::Duration lasts) {
  if (server.pushes_fail) return true;
  return server.why.cause == CallCause::kNoAnswer ? server.failed_again
                                                  : lasts >= kWorthTelling;
}

// ", for 12s".
std::string Since(const PeerTrouble& trouble) {
  if (trouble.lasts < absl::Seconds(1)) return "";
  return absl::StrCat(", for ", absl::FormatDuration(absl::Floor(
                                    trouble.lasts, absl::Seconds(1))));
}

}  // namespace

std::vector<PeerTrouble> ServerReach::Unreached(absl::Time now) const {
  std::vector<PeerTrouble> troubles;
  for (const ServerId id : job_.routes.Broken()) {
    const Routes::Server& server = job_.routes.server(id);
    const absl::Duration lasts = now - server.broken_since;
    // What was told stays told, whatever the next call fails for.
    if (!IsWorthTelling(server, lasts) && !logged_.contains(id)) {
      continue;
    }
    troubles.push_back({id, server.session, server.address, lasts,
                        server.failures, server.why});
  }
  return troubles;
}

void ServerReach::Broke(ServerId server, const CallFailure& why, absl::Time now,
                        ClientActions* out) {
  ++job_.worker.failed_calls[static_cast<size_t>(why.cause)];
  job_.routes.Broke(server, why, job_.wanted(),
                    job_.worker.options.pull_timeout, now);
  for (const PeerTrouble& trouble : Unreached(now)) {
    if (trouble.server != server || !logged_[server].Due(now)) {
      continue;
    }
    out->push_back(LogEvent{absl::StrCat(
        "job=", job_.record->name, " server=", server.value(), " at ",
        trouble.address, " cannot be reached", Since(trouble), " (",
        trouble.attempts, trouble.attempts == 1 ? " call" : " calls",
        " failed): ", why.text, "; ",
        WhatToDo(why.cause, trouble.address, "this worker"))});
  }
  AskForPlacement(now, out);
}

void ServerReach::BreakServer(ServerId server, const CallFailure& why,
                              absl::Time now, ClientActions* out) {
  // Else each push finds out by itself.
  if (!job_.SendsAgain(server) || job_.GoesOn()) job_.StepBackServer(server);
  Broke(server, why, now, out);
}

std::optional<CallFailure> ServerReach::WhyNotFrom(ServerId server,
                                                   ServerId from,
                                                   SessionId from_session,
                                                   absl::Time now) {
  if (!job_.routes.Knows(server)) return std::nullopt;
  const Routes::Server& known = job_.routes.server(server);
  if (EBB_PLANTED(other_session_is_another_server) &&
      from_session != known.session) {
    return CallFailure{CallCause::kWrongServer, "another server answers"};
  }
  return answers_.Heard(
      {server, known.session, known.address, from, from_session}, now);
}

void ServerReach::OnPlaced(const Placement& placement, absl::Time now) {
  for (const PartitionPlace& place : placement.partitions) {
    answers_.Placed(place.server, place.server_session, now);
  }
}

void ServerReach::TellReached(absl::Time now, ClientActions* out) {
  if (logged_.empty() && told_.empty()) return;
  const std::vector<ServerId> broken = job_.routes.Broken();
  const auto answers = [&](ServerId id) {
    return std::find(broken.begin(), broken.end(), id) == broken.end();
  };
  std::erase_if(logged_, [&](const auto& logged) {
    if (!answers(logged.first)) return false;
    out->push_back(LogEvent{absl::StrCat(
        "job=", job_.record->name, " server=", logged.first.value(),
        job_.routes.server(logged.first).answers
            ? " is there again"
            : " is not needed any more: its partitions of the job moved")});
    return true;
  });
  if (job_.worker.connected &&
      std::any_of(told_.begin(), told_.end(), answers)) {
    SendPlacementRequest(now, out);
  }
}

void ServerReach::AskForPlacement(absl::Time now, ClientActions* out) {
  if (!job_.worker.connected || now < next_placement_) return;
  next_placement_ = now + kPlacementPause;
  SendPlacementRequest(now, out);
}

bool ServerReach::ComputesOn() const {
  if (!job_.GoesOn()) return false;
  const int64_t kept = job_.items.KeptBatches(job_.plan());
  return job_.computing() != nullptr ||
         (kept > 0 && kept < job_.plan().consistency.local_steps);
}

void ServerReach::SendPlacementRequest(absl::Time now, ClientActions* out) {
  PlacementRequest request;
  request.session = job_.worker.options.session;
  request.job = job_.record->id;
  request.unreached = Unreached(now);
  request.goes_on = !request.unreached.empty() && ComputesOn();
  told_.clear();
  for (const PeerTrouble& trouble : request.unreached) {
    told_.insert(trouble.server);
  }
  out->push_back(SendScheduler{std::move(request)});
}

void ServerReach::SayForgotten(ClientActions* out) {
  if (told_.empty() || !job_.worker.connected) return;
  PlacementRequest request;
  request.session = job_.worker.options.session;
  request.job = job_.record->id;
  out->push_back(SendScheduler{std::move(request)});
}

// A pull of nothing: whatever the server answers, it answers.
void ServerReach::Probe(absl::Time now, ClientActions* out) {
  for (const ServerId id : job_.routes.Broken()) {
    const Routes::Server& server = job_.routes.server(id);
    if (server.retry_at > now || probes_.contains(id)) continue;
    // A worker with work asks by its work, but for one question.
    if (AsksByWork() && (server.why.cause != CallCause::kNoAnswer ||
                         server.failed_again || server.answered_question)) {
      continue;
    }
    PullRequest nothing;
    nothing.job = job_.record->id;
    nothing.generation = job_.generation;
    nothing.stamp = job_.stamp();
    nothing.request = job_.worker.next_request++;
    probes_[id] = nothing.request;
    out->push_back(
        SendPull{{job_.record->id, id, nothing.request},
                 server.address,
                 std::move(nothing),
                 std::min(job_.worker.options.pull_timeout, kQuestionTimeout)});
  }
}

bool ServerReach::TakeProbe(const PullId& id) {
  const auto it = probes_.find(id.server);
  if (it == probes_.end() || it->second != id.request) return false;
  probes_.erase(it);
  return true;
}

void ServerReach::OnProbeAnswered(ServerId server) {
  // Its work finds out whether its other calls are answered.
  if (AsksByWork()) {
    job_.routes.AnsweredQuestion(server);
  } else {
    job_.routes.Answered(server);
  }
}

void ServerReach::OnProbeFailed(ServerId server, const CallFailure& why,
                                absl::Time now, ClientActions* out) {
  job_.routes.FailedAgain(server);
  Broke(server, why, now, out);
}

}  // namespace ebb::client
