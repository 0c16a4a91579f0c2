// Servers that a worker does not reach: it says so, and asks them again.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/job_work.h"

namespace ebb::client {

namespace {

// What lasts less is nothing to tell.
constexpr absl::Duration kWorthTelling = absl::Seconds(1);
// A server that is reached answers a question, which has no values, in less.
constexpr absl::Duration kQuestionTimeout = absl::Seconds(3);

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

std::vector<PeerTrouble> JobWork::Unreached(absl::Time now) const {
  std::vector<PeerTrouble> troubles;
  for (const ServerId id : routes_.Broken()) {
    const Routes::Server& server = routes_.server(id);
    const absl::Duration lasts = now - server.broken_since;
    // What was told stays told, whatever the next call fails for.
    if (!IsWorthTelling(server, lasts) && !logged_unreached_.contains(id)) {
      continue;
    }
    troubles.push_back({id, server.session, server.address, lasts,
                        server.failures, server.why});
  }
  return troubles;
}

void JobWork::Broke(ServerId server, const CallFailure& why, absl::Time now,
                    ClientActions* out) {
  ++worker_->failed_calls[static_cast<size_t>(why.cause)];
  routes_.Broke(server, why, wanted(), worker_->options.pull_timeout, now);
  for (const PeerTrouble& trouble : Unreached(now)) {
    if (trouble.server != server || !logged_unreached_[server].Due(now)) {
      continue;
    }
    out->push_back(LogEvent{absl::StrCat(
        "job=", record_->name, " server=", server.value(), " at ",
        trouble.address, " cannot be reached", Since(trouble), " (",
        trouble.attempts, trouble.attempts == 1 ? " call" : " calls",
        " failed): ", why.text, "; ",
        WhatToDo(why.cause, trouble.address, "this worker"))});
  }
  AskForPlacement(now, out);
}

void JobWork::TellReached(absl::Time now, ClientActions* out) {
  if (logged_unreached_.empty() && told_unreached_.empty()) return;
  const std::vector<ServerId> broken = routes_.Broken();
  const auto answers = [&](ServerId id) {
    return std::find(broken.begin(), broken.end(), id) == broken.end();
  };
  std::erase_if(logged_unreached_, [&](const auto& logged) {
    if (!answers(logged.first)) return false;
    out->push_back(LogEvent{absl::StrCat(
        "job=", record_->name, " server=", logged.first.value(),
        routes_.server(logged.first).answers
            ? " is there again"
            : " is not needed any more: its partitions of the job moved")});
    return true;
  });
  if (worker_->connected &&
      std::any_of(told_unreached_.begin(), told_unreached_.end(), answers)) {
    SendPlacementRequest(now, out);
  }
}

void JobWork::AskForPlacement(absl::Time now, ClientActions* out) {
  if (!worker_->connected || now < next_placement_) return;
  next_placement_ = now + kPlacementPause;
  SendPlacementRequest(now, out);
}

bool JobWork::ComputesOn() const {
  if (!GoesOn()) return false;
  const int64_t kept = items_.KeptBatches(record_->plan);
  return computing() != nullptr ||
         (kept > 0 && kept < record_->plan.consistency.local_steps);
}

void JobWork::SendPlacementRequest(absl::Time now, ClientActions* out) {
  PlacementRequest request;
  request.session = worker_->options.session;
  request.job = record_->id;
  request.unreached = Unreached(now);
  request.goes_on = !request.unreached.empty() && ComputesOn();
  told_unreached_.clear();
  for (const PeerTrouble& trouble : request.unreached) {
    told_unreached_.insert(trouble.server);
  }
  out->push_back(SendScheduler{std::move(request)});
}

void JobWork::SayForgotten(ClientActions* out) {
  if (told_unreached_.empty() || !worker_->connected) return;
  PlacementRequest request;
  request.session = worker_->options.session;
  request.job = record_->id;
  out->push_back(SendScheduler{std::move(request)});
}

// A pull of nothing: whatever the server answers, it answers.
void JobWork::Probe(absl::Time now, ClientActions* out) {
  for (const ServerId id : routes_.Broken()) {
    const Routes::Server& server = routes_.server(id);
    if (server.retry_at > now || probes_.contains(id)) continue;
    // A worker with work asks by its work, but for one question.
    if (asks_by_work() && (server.why.cause != CallCause::kNoAnswer ||
                           server.failed_again || server.answered_question)) {
      continue;
    }
    PullRequest nothing;
    nothing.job = record_->id;
    nothing.generation = generation_;
    nothing.stamp = stamp();
    nothing.request = worker_->next_request++;
    probes_[id] = nothing.request;
    out->push_back(
        SendPull{{record_->id, id, nothing.request},
                 server.address,
                 std::move(nothing),
                 std::min(worker_->options.pull_timeout, kQuestionTimeout)});
  }
}

bool JobWork::TakeProbe(const PullId& id) {
  const auto it = probes_.find(id.server);
  if (it == probes_.end() || it->second != id.request) return false;
  probes_.erase(it);
  return true;
}

void JobWork::OnProbeAnswered(ServerId server) {
  // Its work finds out whether its other calls are answered.
  if (asks_by_work()) {
    routes_.AnsweredQuestion(server);
  } else {
    routes_.Answered(server);
  }
}

void JobWork::OnProbeFailed(ServerId server, const CallFailure& why,
                            absl::Time now, ClientActions* out) {
  routes_.FailedAgain(server);
  Broke(server, why, now, out);
}

}  // namespace ebb::client
