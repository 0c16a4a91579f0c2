#include "rpc/internal/inprocess_endpoint.h"

#include <chrono>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace ebb::rpc::internal {

namespace {

int64_t SizeOf(const PushReply&) { return 0; }
int64_t SizeOf(const PullReply& reply) {
  int64_t size = 0;
  for (const PullSegment& segment : reply.segments) {
    size += ValueBytes(segment);
  }
  return size;
}
int64_t SizeOf(const FetchReply& reply) {
  return static_cast<int64_t>(reply.manifest.size()) + reply.values.size();
}

absl::Status ChannelDestroyed() {
  return absl::CancelledError("the channel was destroyed");
}

absl::Status Gone() { return absl::UnavailableError("the other side is gone"); }

}  // namespace

// --- Calls -------------------------------------------------------------------

uint64_t Calls::Add(Done done, absl::Duration deadline) {
  {
    MutexLock lock(&mu_);
    const uint64_t id = next_++;
    if (!finishing_) {
      Call& call = calls_[id];
      call.done = std::move(done);
      if (deadline < absl::InfiniteDuration()) {
        call.timed = true;
        call.timer = box_.PostAfter(deadline, [this, id, deadline] {
          Fail(id, absl::DeadlineExceededError(absl::StrCat(
                       "no answer within ", absl::FormatDuration(deadline))));
        });
      }
      return id;
    }
  }
  std::visit([](const auto& callback) { callback(ChannelDestroyed()); }, done);
  return 0;  // No call's.
}

bool Calls::Take(uint64_t call, Call* taken) {
  {
    MutexLock lock(&mu_);
    const auto it = calls_.find(call);
    if (it == calls_.end()) return false;
    *taken = std::move(it->second);
    calls_.erase(it);
  }
  if (taken->timed) box_.Cancel(taken->timer);
  return true;
}

template <typename Reply>
void Calls::Complete(uint64_t call, Reply reply) {
  using ReplyDone = std::function<void(absl::StatusOr<Reply>)>;
  Call taken;
  if (!Take(call, &taken)) return;
  box_.Post([done = std::get<ReplyDone>(std::move(taken.done)),
             reply = std::move(reply)]() mutable { done(std::move(reply)); });
}

void Calls::Fail(uint64_t call, absl::Status status) {
  Call taken;
  if (!Take(call, &taken)) return;
  box_.Post([done = std::move(taken.done), status = std::move(status)] {
    std::visit([&](const auto& callback) { callback(status); }, done);
  });
}

void Calls::Finish() {
  std::vector<uint64_t> left;
  {
    MutexLock lock(&mu_);
    finishing_ = true;
    for (const auto& [id, call] : calls_) left.push_back(id);
  }
  for (uint64_t id : left) {
    Fail(id, ChannelDestroyed());
  }
  box_.Finish();
}

// --- Endpoint ----------------------------------------------------------------

// A call that a handler was given: answered when the handler says so, or when
// it drops the last copy of its `done`.
template <typename Reply>
class Endpoint::Ticket {
 public:
  Ticket(std::shared_ptr<Endpoint> endpoint, Caller caller, uint64_t key)
      : endpoint_(std::move(endpoint)), caller_(std::move(caller)), key_(key) {}
  ~Ticket() {
    if (endpoint_->End(key_)) {
      caller_.calls->Fail(
          caller_.call, absl::UnavailableError("the request was not answered"));
    }
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  bool Running() const { return endpoint_->Running(key_); }

  void Answer(Reply reply) {
    if (!endpoint_->End(key_)) return;
    // A fetch is one message.
    const TransportOptions& options = endpoint_->options_;
    const int64_t limit = std::is_same_v<Reply, FetchReply>
                              ? options.max_message_bytes
                              : options.max_assembled_bytes;
    if (SizeOf(reply) > limit) {
      caller_.calls->Fail(caller_.call, absl::OutOfRangeError(absl::StrCat(
                                            "an answer of ", SizeOf(reply),
                                            " bytes, at most ", limit)));
      return;
    }
    caller_.calls->Complete(caller_.call, std::move(reply));
  }

 private:
  const std::shared_ptr<Endpoint> endpoint_;
  const Caller caller_;
  const uint64_t key_;
};

template <typename Reply>
std::shared_ptr<Endpoint::Ticket<Reply>> Endpoint::Begin(
    std::shared_ptr<Calls> calls, uint64_t call) {
  Caller caller{std::move(calls), call};
  absl::Status refused;
  {
    MutexLock lock(&mu_);
    if (!accepting_ || ps_ == nullptr) {
      refused = Gone();
    } else if (calls_.size() >= static_cast<size_t>(options_.max_calls)) {
      refused = absl::ResourceExhaustedError(absl::StrCat(
          "the server is answering ", options_.max_calls, " calls"));
    } else {
      calls_.emplace(next_, caller);
      return std::make_shared<Ticket<Reply>>(shared_from_this(),
                                             std::move(caller), next_++);
    }
  }
  caller.calls->Fail(caller.call, std::move(refused));
  return nullptr;
}

template <typename Request, typename Reply>
void Endpoint::Serve(std::shared_ptr<Calls> calls, uint64_t call,
                     Request request,
                     void (PsHandler::*method)(Request,
                                               std::function<void(Reply)>)) {
  auto ticket = Begin<Reply>(std::move(calls), call);
  if (ticket == nullptr) return;
  box_->Post([this, method, ticket = std::move(ticket),
              request = std::move(request)]() mutable {
    if (!ticket->Running()) return;
    (ps_->*method)(std::move(request),
                   [ticket](Reply reply) { ticket->Answer(std::move(reply)); });
  });
}

void Endpoint::Push(std::shared_ptr<Calls> calls, uint64_t call,
                    PushRequest request) {
  Serve(std::move(calls), call, std::move(request), &PsHandler::Push);
}

void Endpoint::Pull(std::shared_ptr<Calls> calls, uint64_t call,
                    PullRequest request) {
  Serve(std::move(calls), call, std::move(request), &PsHandler::Pull);
}

void Endpoint::Fetch(std::shared_ptr<Calls> calls, uint64_t call,
                     FetchRequest request) {
  Serve(std::move(calls), call, std::move(request), &PsHandler::Fetch);
}

void Endpoint::Clock(const ClockUpdate& update) {
  {
    MutexLock lock(&mu_);
    if (!accepting_ || ps_ == nullptr || clocks_ >= options_.max_calls) return;
    ++clocks_;
  }
  box_->Post([self = shared_from_this(), update] {
    {
      MutexLock lock(&self->mu_);
      --self->clocks_;
      if (!self->accepting_) return;
    }
    self->ps_->Clock(update);
  });
}

bool Endpoint::Running(uint64_t key) {
  MutexLock lock(&mu_);
  return calls_.contains(key);
}

bool Endpoint::End(uint64_t key) {
  MutexLock lock(&mu_);
  if (calls_.erase(key) == 0) return false;
  if (calls_.empty()) idle_.SignalAll();
  return true;
}

void Endpoint::Remember(const std::shared_ptr<PipeBase>& pipe) {
  std::erase_if(pipes_, [](const auto& known) { return known.expired(); });
  pipes_.emplace_back(pipe);
}

bool Endpoint::Accept(
    std::shared_ptr<Pipe<WorkerToScheduler, SchedulerToWorker>> pipe) {
  MutexLock lock(&mu_);
  if (!accepting_ || scheduler_ == nullptr) return false;
  Remember(pipe);
  pipe->Accept(box_, [this](std::shared_ptr<WorkerLink> link) {
    return scheduler_->OnWorkerConnected(std::move(link));
  });
  return true;
}

bool Endpoint::Accept(
    std::shared_ptr<Pipe<ServerToScheduler, SchedulerToServer>> pipe) {
  MutexLock lock(&mu_);
  if (!accepting_ || scheduler_ == nullptr) return false;
  Remember(pipe);
  pipe->Accept(box_, [this](std::shared_ptr<ServerLink> link) {
    return scheduler_->OnServerConnected(std::move(link));
  });
  return true;
}

std::vector<Endpoint::Caller> Endpoint::TakeCalls() {
  std::vector<Caller> callers;
  for (auto& [key, caller] : calls_) callers.push_back(std::move(caller));
  calls_.clear();
  return callers;
}

std::vector<std::shared_ptr<PipeBase>> Endpoint::TakePipes() {
  std::vector<std::shared_ptr<PipeBase>> pipes;
  for (const auto& weak : pipes_) {
    if (auto pipe = weak.lock()) pipes.push_back(std::move(pipe));
  }
  pipes_.clear();
  return pipes;
}

void Endpoint::Unplug() {
  std::vector<std::shared_ptr<PipeBase>> pipes;
  std::vector<Caller> callers;
  {
    MutexLock lock(&mu_);
    accepting_ = false;
    pipes = TakePipes();
    unplugged_ = pipes;
    callers = TakeCalls();
    idle_.SignalAll();
  }
  for (const auto& pipe : pipes) pipe->Unplug(Gone());
  for (const Caller& caller : callers) caller.calls->Fail(caller.call, Gone());
}

void Endpoint::Finish(absl::Duration grace) {
  std::vector<std::shared_ptr<PipeBase>> pipes, unplugged;
  {
    MutexLock lock(&mu_);
    accepting_ = false;
    pipes = TakePipes();
    unplugged.swap(unplugged_);
  }
  for (const auto& pipe : unplugged) {
    pipe->Replug();
    pipes.push_back(pipe);
  }
  for (const auto& pipe : pipes) {
    pipe->Break(Gone(), absl::CancelledError("the listener was destroyed"));
  }
  std::vector<Caller> callers;
  {
    const auto end =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(grace);
    MutexLock lock(&mu_);
    while (!calls_.empty()) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= end) break;
      idle_.WaitFor(&mu_, absl::FromChrono(end - now));
    }
    callers = TakeCalls();
  }
  for (const Caller& caller : callers) caller.calls->Fail(caller.call, Gone());
  box_->Finish();
}

}  // namespace ebb::rpc::internal
