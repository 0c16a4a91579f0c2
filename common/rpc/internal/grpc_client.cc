#include "common/rpc/internal/grpc_client.h"

#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/mutex.h"
#include "common/rpc/convert.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/internal/grpc_bytes.h"
#include "common/rpc/internal/key_lists.h"
#include "common/rpc/internal/token_messages.h"
#include "common/rpc/wire.h"
#include "ebb/v1/scheduler.grpc.pb.h"

namespace ebb::rpc::internal {

namespace {

// --- Calls -------------------------------------------------------------------

constexpr char kPush[] = "/ebb.v1.ParameterServer/Push";
constexpr char kPull[] = "/ebb.v1.ParameterServer/Pull";
constexpr char kClock[] = "/ebb.v1.ParameterServer/Clock";
constexpr char kFetch[] = "/ebb.v1.ParameterServer/Fetch";

class GrpcPsChannel : public PsChannel {
 public:
  GrpcPsChannel(const std::shared_ptr<grpc::Channel>& channel, Guard guard)
      : guard_(std::move(guard)), stub_(channel) {}

  ~GrpcPsChannel() override {
    std::vector<std::shared_ptr<Call>> calls;
    {
      MutexLock lock(&mu_);
      destroyed_ = true;
      calls.assign(calls_.begin(), calls_.end());
    }
    for (const auto& call : calls) call->context.TryCancel();
    calls.clear();
    MutexLock lock(&mu_);
    while (!calls_.empty()) idle_.Wait(&mu_);
  }

  void Push(PushRequest request, absl::Duration deadline,
            PushDone done) override {
    const std::string shown = guard_.ShownWith(request);
    const NamedKeys named = sent_keys_.NamesFor(request);
    CountKeys(request, named);
    if (named.empty()) {
      Start<PushReply>(kPush, Encode(request), shown, deadline,
                       &DecodePushReply, std::move(done));
      return;
    }
    const Payload message = Encode(request, named);
    Start<PushReply>(kPush, message, shown, deadline, &DecodePushReply,
                     [this, request = std::move(request), shown,
                      until = absl::Now() + deadline,
                      done = std::move(done)](absl::StatusOr<PushReply> reply) {
                       if (!absl::IsAborted(reply.status()))
                         return done(std::move(reply));
                       // Nobody has judged it. Those after it wait for it
                       // there.
                       sent_keys_.Forget();
                       CountKeys(request, {});
                       if (guard_.keys != nullptr) guard_.keys->CountUnknown();
                       Start<PushReply>(kPush, Encode(request), shown,
                                        until - absl::Now(), &DecodePushReply,
                                        done);
                     });
  }

  void Pull(const PullRequest& request, absl::Duration deadline,
            PullDone done) override {
    // An evaluation pushes nothing.
    KeyLists lists = request.snapshot == 0 ? KeyLists::Of(request) : KeyLists();
    if (lists.empty()) {
      Start<PullReply>(
          kPull, Encode(request), guard_.ShownWith(request), deadline,
          [](const Payload& bytes) { return DecodePullReply(bytes); },
          std::move(done));
      return;
    }
    Start<PullReply>(
        kPull, Encode(request, /*keep=*/true), guard_.ShownWith(request),
        deadline,
        [this, lists = std::move(lists)](const Payload& bytes) {
          uint64_t number = 0;
          auto reply = DecodePullReply(bytes, &number);
          if (reply.ok()) sent_keys_.Kept(*reply, number, lists);
          return reply;
        },
        std::move(done));
  }

  void Clock(const ClockUpdate& update) override {
    // It is repeated anyway.
    constexpr absl::Duration kDeadline = absl::Seconds(5);
    struct Nothing {};
    Start<Nothing>(
        kClock, Encode(update), guard_.ShownWith(update), kDeadline,
        [](const Payload&) { return absl::StatusOr<Nothing>(Nothing{}); },
        [](absl::StatusOr<Nothing>) {});
  }

  void Fetch(const FetchRequest& request, absl::Duration deadline,
             FetchDone done) override {
    Start<FetchReply>(kFetch, Encode(request), /*shown=*/"", deadline,
                      &DecodeFetchReply, std::move(done));
  }

 private:
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
  };

  template <typename Reply, typename Decode>
  void Start(const char* method, const Payload& request,
             const std::string& shown, absl::Duration deadline, Decode decode,
             std::function<void(absl::StatusOr<Reply>)> done) {
    auto call = std::make_shared<Call>();
    call->request = ToByteBuffer(request);
    if (!shown.empty()) call->context.AddMetadata(kWorkerTokenKey, shown);
    if (deadline < absl::InfiniteDuration()) {
      call->context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    }
    bool destroyed = false;
    {
      MutexLock lock(&mu_);
      destroyed = destroyed_;
      if (!destroyed) calls_.insert(call);
    }
    if (destroyed) {
      done(absl::CancelledError("the channel was destroyed"));
      return;
    }
    stub_.UnaryCall(&call->context, method, grpc::StubOptions(), &call->request,
                    &call->response,
                    [this, call, decode,
                     done = std::move(done)](grpc::Status status) mutable {
                      if (status.ok()) {
                        done(decode(ToPayload(call->response)));
                      } else {
                        done(Failure(status));
                      }
                      // What it holds goes before the channel does.
                      done = nullptr;
                      End(std::move(call));
                    });
  }

  void CountKeys(const PushRequest& request, const NamedKeys& named) const {
    if (guard_.keys == nullptr) return;
    int64_t bytes = 0, named_bytes = 0;
    size_t list = 0;
    for (const PushSegment& segment : request.segments) {
      for (const PushRows& rows : segment.rows) {
        const bool is_named = !named.empty() && named[list] != 0;
        (is_named ? named_bytes : bytes) += rows.keys.size();
        ++list;
      }
    }
    guard_.keys->Count(bytes, named_bytes);
  }

  absl::Status Failure(const grpc::Status& status) {
    MutexLock lock(&mu_);
    return destroyed_ ? FromGrpc(status) : FromGrpcNotCancelled(status);
  }

  // The call's context refers to gRPC's channel, whose destructor joins the
  // threads that run callbacks: the last reference must not be dropped on one
  // of them, after ours is gone.
  void End(std::shared_ptr<Call> call) {
    MutexLock lock(&mu_);
    calls_.erase(call);
    call.reset();
    if (calls_.empty()) idle_.SignalAll();
  }

  const Guard guard_;
  SentKeys sent_keys_;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
  Mutex mu_;
  CondVar idle_;
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
  // Until their callbacks returned.
  absl::flat_hash_set<std::shared_ptr<Call>> calls_ ABSL_GUARDED_BY(mu_);
};

// --- Tokens ------------------------------------------------------------------

// What a session learns of the tokens of jobs from what passes through it.
// Thread-compatible; of what is sent, and of what is received.
class WorkerTokens {
 public:
  explicit WorkerTokens(JobTokens* tokens) : tokens_(tokens) {}

  void OnSend(const WorkerToScheduler& message) {
    if (const auto* self = std::get_if<RegisterWorker>(&message)) {
      session_ = self->session.value();
    }
  }
  // Before anybody else hears of it.
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
  InMessage in_;                     // Of the reading reactions.
  RecordReceiver received_records_;  // Likewise.
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

std::unique_ptr<PsChannel> ConnectGrpcPs(
    const std::shared_ptr<grpc::Channel>& channel, Guard guard) {
  return std::make_unique<GrpcPsChannel>(channel, std::move(guard));
}

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
