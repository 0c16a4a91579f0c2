#include "rpc/internal/preferred_channel.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/steady_time.h"
#include "glog/logging.h"

namespace ebb::rpc::internal {

namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
// A session that ends sooner counts as one that could not be opened.
constexpr absl::Duration kSteady = absl::Seconds(5);
// The pause if asking again soon makes no sense.
constexpr absl::Duration kRefusedPause = absl::Seconds(30);

absl::Time Until(absl::Duration deadline) { return SteadyNow() + deadline; }

absl::Status Destroyed() {
  return absl::CancelledError("the channel was destroyed");
}

}  // namespace

absl::Status ServerGone() {
  return absl::UnavailableError("the server is gone, or went away meanwhile");
}

PreferredChannel::PreferredChannel(PreferredWay way, const std::string& address,
                                   std::unique_ptr<PsChannel> network,
                                   std::unique_ptr<SessionOpener> opener)
    : way_(std::move(way)),
      address_(address),
      owned_network_(std::move(network)),
      network_(owned_network_.get()),
      opener_(std::move(opener)),
      answered_(!way_.first_calls_wait),
      thread_([this] { Work(); }) {}

PreferredChannel::~PreferredChannel() {
  std::shared_ptr<PreferredSession> session;
  {
    MutexLock lock(&mu_);
    destroyed_ = true;
    session = session_;
    changed_.SignalAll();
  }
  opener_->Cancel();
  if (session != nullptr) session->Stop();
  thread_.join();
  Answered();
  // Its callbacks may still call here.
  owned_network_.reset();
}

std::shared_ptr<PreferredSession> PreferredChannel::Session(bool* destroyed) {
  MutexLock lock(&mu_);
  *destroyed = destroyed_;
  if (!wanted_) {
    wanted_ = true;
    changed_.SignalAll();
  }
  return destroyed_ ? nullptr : session_;
}

// Values that came over the network would be held twice, if they are there
// already on this machine.
void PreferredChannel::BeginWhenAnswered(std::function<void()> call) {
  {
    MutexLock lock(&mu_);
    wanted_ = true;
    changed_.SignalAll();
    if (!answered_ && !destroyed_) {
      early_.push_back(std::move(call));
      return;
    }
    answered_ = true;  // No call asks any more.
  }
  call();
}

void PreferredChannel::Answered() {
  std::vector<std::function<void()>> early;
  {
    MutexLock lock(&mu_);
    answered_ = true;
    early.swap(early_);
  }
  for (const auto& call : early) call();
}

// Early calls may begin while a derived class is being destroyed, so they name
// the function of this class.
void PreferredChannel::Push(PushRequest request, absl::Duration deadline,
                            PushDone done) {
  if (!answered_) {
    return BeginWhenAnswered([this, request = std::move(request),
                              until = Until(deadline), done = std::move(done)] {
      PreferredChannel::Push(request, until - SteadyNow(), done);
    });
  }
  bool destroyed = false;
  const auto session = Session(&destroyed);
  if (destroyed) return done(Destroyed());
  if (session != nullptr && session->Push(&request, Until(deadline), &done)) {
    return;
  }
  network_->Push(std::move(request), deadline, std::move(done));
}

void PreferredChannel::Pull(const PullRequest& request, absl::Duration deadline,
                            PullDone done) {
  if (!answered_) {
    return BeginWhenAnswered(
        [this, request, until = Until(deadline), done = std::move(done)] {
          PreferredChannel::Pull(request, until - SteadyNow(), done);
        });
  }
  bool destroyed = false;
  const auto session = Session(&destroyed);
  if (destroyed) return done(Destroyed());
  if (session != nullptr && session->Pull(request, Until(deadline), &done)) {
    return;
  }
  network_->Pull(request, deadline, std::move(done));
}

void PreferredChannel::Clock(const ClockUpdate& update) {
  bool destroyed = false;
  const auto session = Session(&destroyed);
  if (destroyed) return;
  if (session != nullptr && session->Clock(update)) return;
  network_->Clock(update);
}

void PreferredChannel::Fetch(const FetchRequest& request,
                             absl::Duration deadline, FetchDone done) {
  if (way_.fetches) {
    bool destroyed = false;
    const auto session = Session(&destroyed);
    if (destroyed) return done(Destroyed());
    if (session != nullptr && session->Fetch(request, Until(deadline), &done)) {
      return;
    }
  }
  network_->Fetch(request, deadline, std::move(done));
}

bool PreferredChannel::AwaitSession(absl::Duration limit) {
  const absl::Time end = SteadyNow() + limit;
  MutexLock lock(&mu_);
  wanted_ = true;
  changed_.SignalAll();
  while (session_ == nullptr && SteadyNow() < end) {
    changed_.WaitFor(&mu_, end - SteadyNow());
  }
  return session_ != nullptr;
}

absl::Duration PreferredChannel::PauseAfter(const absl::Status& status) {
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    const int doublings = std::min(failures_++, 10);
    return std::min(kFirstPause * (1 << doublings), kLongestPause);
  }
  // Once, however often it is asked.
  const std::string line(absl::IsUnimplemented(status)
                             ? "the server does not offer it"
                             : status.message());
  if (line != told_) {
    LOG(INFO) << "server=" << address_ << " no " << way_.name << ": " << line;
    told_ = line;
  }
  return kRefusedPause;
}

void PreferredChannel::Work() {
  absl::Time next = absl::InfinitePast();
  while (true) {
    {
      MutexLock lock(&mu_);
      while (!destroyed_ && (!wanted_ || SteadyNow() < next)) {
        if (wanted_) {
          changed_.WaitFor(&mu_, next - SteadyNow());
        } else {
          changed_.Wait(&mu_);
        }
      }
      if (destroyed_) return;
      // What is not used any more is not asked for again.
      wanted_ = false;
    }
    const absl::StatusOr<std::shared_ptr<PreferredSession>> session =
        opener_->Open();
    if (!session.ok()) {
      Answered();
      next = SteadyNow() + PauseAfter(session.status());
      continue;
    }
    const absl::Time begun = SteadyNow();
    Serve(*session);
    if (SteadyNow() - begun >= kSteady) failures_ = 0;
    next = SteadyNow() + PauseAfter(absl::UnavailableError("it ended"));
  }
}

void PreferredChannel::Serve(const std::shared_ptr<PreferredSession>& session) {
  {
    MutexLock lock(&mu_);
    if (destroyed_) return;
    session_ = session;
    changed_.SignalAll();
  }
  if (told_ != way_.name) {
    LOG(INFO) << "server=" << address_ << " transport=" << way_.name;
    told_ = way_.name;
  }
  Answered();
  session->Run([this](const PullRequest& request, absl::Duration deadline,
                      PullDone done) {
    network_->Pull(request, deadline, std::move(done));
  });
  bool destroyed = false;
  {
    MutexLock lock(&mu_);
    session_ = nullptr;
    destroyed = destroyed_;
  }
  session->Close(destroyed ? Destroyed() : ServerGone());
}

}  // namespace ebb::rpc::internal
