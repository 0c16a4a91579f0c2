#include "rpc/internal/grpc_client.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "ebb/v1/scheduler.grpc.pb.h"
#include "rpc/convert.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/token_messages.h"

namespace ebb::rpc::internal {

namespace {

// --- Tokens ------------------------------------------------------------------

// Learns the tokens of jobs from what passes through a session.
// Thread-compatible; of what is sent, and of what is received.
class WorkerTokens {
 public:
  explicit WorkerTokens(JobTokens* tokens) : tokens_(tokens) {}

  void OnSend(const WorkerToScheduler& message) {
    if (const auto* self = std::get_if<RegisterWorker>(&message)) {
      session_ = self->session.value();
    }
  }
  // Takes the token before the handler gets the message.
  void OnReceive(v1::SchedulerToWorker* message) {
    if (tokens_ == nullptr || message->job_token().empty()) return;
    tokens_->Lend(JobOf(*message), SessionId(session_),
                  std::move(*message->mutable_job_token()));
    message->clear_job_token();
  }
  void OnReceived(const SchedulerToWorker&) {}
  void OnGreeting(const std::multimap<grpc::string_ref, grpc::string_ref>&) {}

 private:
  JobTokens* const tokens_;  // Not owned; may be null.
  // The first message of a session, which is answered later.
  std::atomic<uint64_t> session_ = 0;
};

class ServerTokens {
 public:
  explicit ServerTokens(JobTokens* tokens) : tokens_(tokens) {}

  void OnSend(const ServerToScheduler&) {}
  void OnReceive(v1::SchedulerToServer*) {}
  // A server serves what was granted to it, or moved there.
  void OnReceived(const SchedulerToServer& message) {
    if (tokens_ == nullptr) return;
    if (const auto* grant = std::get_if<Grant>(&message)) {
      tokens_->Learn(*grant->record);
    } else if (const auto* move = std::get_if<MoveIn>(&message)) {
      tokens_->Learn(*move->record);
    }
  }
  void OnGreeting(
      const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
    const auto key = metadata.find(kTokenKeyKey);
    if (tokens_ == nullptr || key == metadata.end()) return;
    tokens_->AddKey({key->second.data(), key->second.size()});
  }

 private:
  JobTokens* const tokens_;  // Not owned; may be null.
};

// --- Sessions ----------------------------------------------------------------

//           Send                      Close, and all is written
//   kOpen ──────▶ writes one by one ─────────────────────────────▶ kEnding
//     └── a read or write failed, too much queued, destroyed ────────▲
//
// A hold of the reactor is kept while kOpen or kDraining: only then are
// operations started outside reactions. OnDone comes when it is given up and
// what was started is over.
template <typename Out, typename In, typename OutMessage, typename InMessage,
          typename Tokens>
class GrpcSession : public Session<Out>,
                    private grpc::ClientBidiReactor<OutMessage, InMessage> {
 public:
  GrpcSession(const std::shared_ptr<grpc::Channel>& channel,
              const TransportOptions& options, Guard guard,
              SessionHandler<In>* handler)
      : bound_(options.session_queue_messages),
        guard_(std::move(guard)),
        tokens_(guard_.tokens.get()),
        handler_(handler),
        stub_(v1::Scheduler::NewStub(channel)) {}

  ~GrpcSession() override {
    const std::shared_ptr<Done> done = done_;
    {
      MutexLock lock(&mu_);
      Break(absl::CancelledError("the session was destroyed"));
    }
    MutexLock lock(&done->mu);
    while (!done->done) done->changed.Wait(&done->mu);
  }

  template <typename Method>
  void Start(Method method) {
    // A program that works for one job only shows that job's token.
    if (guard_.tokens != nullptr) {
      const std::string own = guard_.tokens->Own(JobId());
      if (!own.empty()) context_.AddMetadata(kJobTokenKey, own);
    }
    (stub_->async()->*method)(&context_, this);
    this->AddHold();
    this->StartRead(&in_);
    this->StartCall();
  }

  bool Send(Out message) override {
    MutexLock lock(&mu_);
    if (state_ != State::kOpen) return false;
    if (queue_.size() == static_cast<size_t>(bound_)) {
      Break(absl::ResourceExhaustedError(
          absl::StrCat("the session is closed: the other side left ", bound_,
                       " messages unread")));
      return false;
    }
    queue_.push_back(std::move(message));
    if (!writing_) WriteNext();
    return true;
  }

  void Close() override {
    MutexLock lock(&mu_);
    if (state_ != State::kOpen) return;
    state_ = State::kDraining;
    if (!writing_) WriteNext();
  }

 private:
  enum class State { kOpen, kDraining, kEnding };
  // Outlives the session, so that OnDone can end after its destructor.
  struct Done {
    Mutex mu;
    CondVar changed;
    bool done ABSL_GUARDED_BY(mu) = false;
  };

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!queue_.empty()) {
      tokens_.OnSend(queue_.front());
      out_ = ToProto(queue_.front(), &sent_records_);
      queue_.pop_front();
      writing_ = true;
      this->StartWrite(&out_);
    } else if (state_ == State::kDraining) {
      this->StartWritesDone();
      End();
    }
  }

  // No operation is started from outside from now on.
  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (state_ == State::kEnding) return;
    state_ = State::kEnding;
    queue_.clear();
    this->RemoveHold();
  }

  void Break(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (status_.ok()) status_ = std::move(status);
    context_.TryCancel();
    End();
  }

  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) tokens_.OnGreeting(context_.GetServerInitialMetadata());
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) {
      End();
    } else if (state_ != State::kEnding) {
      WriteNext();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      MutexLock lock(&mu_);
      End();
      return;
    }
    tokens_.OnReceive(&in_);
    absl::StatusOr<In> message = FromProto(std::move(in_), &received_records_);
    if (!message.ok()) {
      MutexLock lock(&mu_);
      Break(message.status());
      return;
    }
    tokens_.OnReceived(*message);
    handler_->OnMessage(*std::move(message));
    in_.Clear();
    this->StartRead(&in_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Done> done = done_;
    absl::Status reason;
    {
      MutexLock lock(&mu_);
      reason = status_.ok() ? FromGrpcNotCancelled(status) : status_;
    }
    handler_->OnClosed(std::move(reason));
    MutexLock lock(&done->mu);
    done->done = true;
    done->changed.SignalAll();
  }

  const int bound_;
  const Guard guard_;
  Tokens tokens_;
  SessionHandler<In>* const handler_;  // Not owned.
  const std::unique_ptr<v1::Scheduler::Stub> stub_;
  const std::shared_ptr<Done> done_ = std::make_shared<Done>();
  grpc::ClientContext context_;
  InMessage in_;                     // Used by the reading reactions.
  RecordReceiver received_records_;  // The same.
  Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kOpen;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;  // out_ is gRPC's.
  std::deque<Out> queue_ ABSL_GUARDED_BY(mu_);
  RecordSender sent_records_ ABSL_GUARDED_BY(mu_);
  // Why this side ended it; OK: it did not, or by Close().
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  OutMessage out_;
};

}  // namespace

std::unique_ptr<WorkerSession> ConnectGrpcWorkerSession(
    const std::shared_ptr<grpc::Channel>& channel,
    const TransportOptions& options, Guard guard,
    WorkerSessionHandler* handler) {
  auto session = std::make_unique<
      GrpcSession<WorkerToScheduler, SchedulerToWorker, v1::WorkerToScheduler,
                  v1::SchedulerToWorker, WorkerTokens>>(
      channel, options, std::move(guard), handler);
  session->Start(&v1::Scheduler::Stub::async::WorkerSession);
  return session;
}

std::unique_ptr<ServerSession> ConnectGrpcServerSession(
    const std::shared_ptr<grpc::Channel>& channel,
    const TransportOptions& options, Guard guard,
    ServerSessionHandler* handler) {
  auto session = std::make_unique<
      GrpcSession<ServerToScheduler, SchedulerToServer, v1::ServerToScheduler,
                  v1::SchedulerToServer, ServerTokens>>(
      channel, options, std::move(guard), handler);
  session->Start(&v1::Scheduler::Stub::async::ServerSession);
  return session;
}

}  // namespace ebb::rpc::internal
