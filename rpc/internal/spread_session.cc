#include "rpc/internal/spread_session.h"

#include <functional>
#include <thread>
#include <utility>

namespace ebb::rpc::internal {

SpreadSession::SpreadSession(
    std::vector<std::shared_ptr<PreferredSession>> sessions)
    : sessions_(std::move(sessions)) {}

PreferredSession& SpreadSession::Next() {
  const size_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
  return *sessions_[turn % sessions_.size()];
}

bool SpreadSession::Push(PushRequest* request, absl::Time deadline,
                         PsChannel::PushDone* done) {
  return Next().Push(request, deadline, done);
}

bool SpreadSession::Pull(const PullRequest& request, absl::Time deadline,
                         PsChannel::PullDone* done) {
  return Next().Pull(request, deadline, done);
}

bool SpreadSession::Clock(const ClockUpdate& update) {
  return sessions_.front()->Clock(update);
}

bool SpreadSession::Fetch(const FetchRequest& request, absl::Time deadline,
                          PsChannel::FetchDone* done) {
  return Next().Fetch(request, deadline, done);
}

void SpreadSession::Run(const Elsewhere& elsewhere) {
  const auto run = [&](PreferredSession& session) {
    session.Run(elsewhere);
    if (!session.EndedInOrder()) return Stop();
    StopWhenIdle();
    session.Close(ServerGone());
  };
  std::vector<std::thread> threads;
  threads.reserve(sessions_.size() - 1);
  for (size_t i = 1; i < sessions_.size(); ++i) {
    threads.emplace_back(run, std::ref(*sessions_[i]));
  }
  run(*sessions_.front());
  for (std::thread& thread : threads) thread.join();
}

void SpreadSession::Stop() {
  for (const auto& session : sessions_) session->Stop();
}

void SpreadSession::StopWhenIdle() {
  for (const auto& session : sessions_) session->StopWhenIdle();
}

void SpreadSession::Close(const absl::Status& status) {
  for (const auto& session : sessions_) session->Close(status);
}

}  // namespace ebb::rpc::internal
