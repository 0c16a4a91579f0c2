#include "server/scheduler_connection.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "common/example_hash.h"
#include "common/steady_time.h"
#include "glog/logging.h"

namespace ebb::server {

namespace {

// More than a connection that fails takes to do so (connect_timeout).
constexpr absl::Duration kAccepted = absl::Seconds(3);
// A session that lived this long counts as a success.
constexpr absl::Duration kLived = absl::Seconds(1);
constexpr int kMostDoublings = 20;

}  // namespace

void SchedulerConnection::Handler::OnMessage(SchedulerToServer message) {
  {
    MutexLock lock(&connection_.mu_);
    connection_.heard_ = true;
  }
  connection_.events_.message(message);
}

void SchedulerConnection::Handler::OnClosed(absl::Status status) {
  MutexLock lock(&connection_.mu_);
  connection_.closed_ = true;
  connection_.why_closed_ = std::move(status);
  connection_.changed_.SignalAll();
}

SchedulerConnection::SchedulerConnection(SchedulerConnectionOptions options,
                                         rpc::Transport* transport,
                                         Events events)
    : options_(std::move(options)),
      transport_(transport),
      events_(std::move(events)),
      handler_(this) {}

SchedulerConnection::~SchedulerConnection() { Stop(); }

void SchedulerConnection::Start() {
  thread_ = std::thread([this] { Run(); });
}

void SchedulerConnection::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool SchedulerConnection::Send(ServerToScheduler message) {
  MutexLock lock(&mu_);
  if (session_ == nullptr || closed_ || leaving_) return false;
  if (std::holds_alternative<RegisterServer>(message)) registered_ = true;
  return registered_ && session_->Send(std::move(message));
}

bool SchedulerConnection::accepted() {
  MutexLock lock(&mu_);
  return session_ != nullptr && registered_ && !closed_ && !refused_ &&
         (heard_ || SteadyNow() - began_ > kAccepted);
}

void SchedulerConnection::Retry() {
  MutexLock lock(&mu_);
  refused_ = true;
  if (session_ != nullptr && !closed_) session_->Close();
}

void SchedulerConnection::Leave(absl::Duration limit) {
  const absl::Time deadline = SteadyNow() + limit;
  {
    MutexLock lock(&mu_);
    leaving_ = true;
    if (session_ != nullptr && !closed_) session_->Close();
    while (session_ != nullptr && !closed_ && SteadyNow() < deadline) {
      changed_.WaitFor(&mu_, deadline - SteadyNow());
    }
  }
  Stop();
}

void SchedulerConnection::Run() {
  while (true) {
    {
      MutexLock lock(&mu_);
      if (stopping_ || leaving_) return;
    }
    RunSession();
    WaitForRetry();
  }
}

void SchedulerConnection::RunSession() {
  const absl::Time began = SteadyNow();
  {
    MutexLock lock(&mu_);
    began_ = began;
    closed_ = false;
    registered_ = false;
    heard_ = false;
    refused_ = false;
  }
  auto session = transport_->ConnectServerSession(options_.address, &handler_);
  {
    MutexLock lock(&mu_);
    session_ = std::move(session);
  }
  events_.connected();
  bool told = false, refused = false;
  std::string news;  // For an operator; empty: none.
  {
    MutexLock lock(&mu_);
    while (!closed_ && !stopping_) changed_.Wait(&mu_);
    // Destroyed without the lock, which its callbacks take.
    session = std::move(session_);
    told = heard_;
    refused = refused_;
    if (told) logged_ = {};
    if (!leaving_ && !stopping_ && !refused && logged_.Due(SteadyNow())) {
      news = std::string(why_closed_.message());
    }
  }
  if (!news.empty()) {
    LOG(WARNING) << "scheduler=" << options_.address
                 << " cannot be reached: " << news
                 << "; trying again, training goes on";
  }
  session.reset();
  events_.disconnected();
  const bool lived = told || SteadyNow() - began > kLived;
  failures_ = lived && !refused ? 0 : failures_ + 1;
}

void SchedulerConnection::WaitForRetry() {
  absl::Duration wait =
      options_.first_retry *
      static_cast<double>(int64_t{1} << std::min(failures_, kMostDoublings));
  wait = std::min(wait, options_.last_retry);
  // Servers that lost the scheduler together should not come back together.
  const uint64_t chance = HashAppend(options_.seed, attempts_++) >> 11;
  wait *= 1 - 0.5 * static_cast<double>(chance) / (uint64_t{1} << 53);
  const absl::Time until = SteadyNow() + wait;
  MutexLock lock(&mu_);
  while (!stopping_ && !leaving_ && SteadyNow() < until) {
    changed_.WaitFor(&mu_, until - SteadyNow());
  }
}

}  // namespace ebb::server
