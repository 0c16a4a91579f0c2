#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "ebb/v1/scheduler.grpc.pb.h"
#include "rpc/admin.h"
#include "rpc/admin_rpcs.h"
#include "rpc/convert.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_admin.h"
#include "rpc/internal/grpc_listener.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/token_messages.h"

namespace ebb::rpc::internal {

namespace {

class StreamBase {
 public:
  virtual ~StreamBase() = default;
  // Ends the stream: `local` for its handler, kUnavailable for the other side.
  virtual void Abort(absl::Status local) = 0;
};

// Handles the tokens at the scheduler's end of a stream: of what it reads, and
// of what it writes.
class WorkerLinkTokens {
 public:
  WorkerLinkTokens(const Guard& guard, SchedulerAdminHandler* admin,
                   grpc::CallbackServerContext* context)
      : guard_(guard), admin_(admin) {
    if (guard_.tokens != nullptr) shown_ = ShownIn(*context, kJobTokenKey);
  }
  static constexpr bool kGreets = false;

  // PermissionDenied: the worker asks for one job only, whose token it does not
  // show.
  absl::Status OnReceived(const WorkerToScheduler& message) {
    const auto* worker = std::get_if<RegisterWorker>(&message);
    if (worker == nullptr || guard_.tokens == nullptr) return absl::OkStatus();
    session_ = worker->session.value();
    if (worker->only_job == JobId() || admin_ == nullptr) {
      return absl::OkStatus();
    }
    return CheckOwner(guard_, admin_, worker->only_job.value(), "", shown_)
        .status();
  }
  void OnSend(v1::SchedulerToWorker* message) {
    if (guard_.tokens == nullptr) return;
    const JobId job = JobOf(*message);
    if (job == JobId()) return;
    message->set_job_token(guard_.tokens->ForWorker(job, SessionId(session_)));
  }

 private:
  const Guard guard_;
  SchedulerAdminHandler* const admin_;  // Not owned.
  std::string shown_;
  // Read after what a message of this session led to.
  std::atomic<uint64_t> session_ = 0;
};

// A server is told with what the tokens of workers are made.
class ServerLinkTokens {
 public:
  ServerLinkTokens(const Guard& guard, SchedulerAdminHandler*,
                   grpc::CallbackServerContext* context) {
    if (guard.tokens != nullptr) {
      context->AddInitialMetadata(kTokenKeyKey, guard.tokens->Key());
    }
  }
  static constexpr bool kGreets = true;

  static absl::Status OnReceived(const ServerToScheduler&) {
    return absl::OkStatus();
  }
  static void OnSend(v1::SchedulerToServer*) {}
};

// The scheduler's end of a stream. gRPC's part of it lives until OnDone. The
// part that is a Session lives as long as it has holders: `self_` is the
// reference that OnDone gives up.
//
//   kOpen ── Close() ──▶ kDraining ── all is written ──▶ kEnding
//     └── reading or writing ended, too much queued, aborted ──▲
//
// Finish is called once, when kEnding and no write is under way.
template <typename Out, typename In, typename OutMessage, typename InMessage,
          typename Tokens>
class Stream : public grpc::ServerBidiReactor<InMessage, OutMessage>,
               public Session<Out>,
               public StreamBase {
 public:
  Stream(grpc::CallbackServerContext* context, int bound, const Guard& guard,
         SchedulerAdminHandler* admin)
      : bound_(bound),
        guard_(guard),
        context_(context),
        tokens_(guard, admin, context) {}

  // Returns what the RPC's method returns. A null handler refuses the stream,
  // with `refused`.
  grpc::ServerBidiReactor<InMessage, OutMessage>* Start(
      std::shared_ptr<Stream> self, std::unique_ptr<SessionHandler<In>> handler,
      const absl::Status& refused) {
    self_ = std::move(self);
    handler_ = std::move(handler);
    if (handler_ == nullptr) {
      MutexLock lock(&mu_);
      Break(refused, refused);
      return this;
    }
    // Before anything is granted.
    if (Tokens::kGreets) this->StartSendInitialMetadata();
    this->StartRead(&in_);
    return this;
  }

  bool Send(Out message) override {
    MutexLock lock(&mu_);
    if (state_ != State::kOpen) return false;
    if (queue_.size() == static_cast<size_t>(bound_)) {
      guard_.Count(Refusal::kUnread);
      Break(absl::ResourceExhaustedError(
                absl::StrCat("the session is closed: the other side left ",
                             bound_, " messages unread")),
            absl::ResourceExhaustedError("messages are not read"));
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

  void Abort(absl::Status local) override {
    MutexLock lock(&mu_);
    Break(std::move(local), absl::UnavailableError("the scheduler is going"));
  }

 private:
  enum class State { kOpen, kDraining, kEnding };

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!queue_.empty()) {
      out_ = ToProto(queue_.front(), &sent_records_);
      tokens_.OnSend(&out_);
      queue_.pop_front();
      writing_ = true;
      this->StartWrite(&out_);
    } else if (state_ == State::kDraining) {
      End(absl::OkStatus());
    }
  }

  void End(const absl::Status& remote) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (state_ == State::kEnding) return;
    state_ = State::kEnding;
    queue_.clear();
    remote_ = remote;
    if (!writing_) this->Finish(ToGrpc(remote_));
  }

  // Does the same as End, but gives up a write under way.
  void Break(absl::Status local, const absl::Status& remote)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (state_ == State::kEnding) {
      if (writing_) context_->TryCancel();
      return;
    }
    local_ = std::move(local);
    if (writing_) context_->TryCancel();
    End(remote);
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mu_);
    writing_ = false;
    if (state_ == State::kEnding) {
      this->Finish(ToGrpc(remote_));
    } else if (!ok) {
      End(absl::UnavailableError("the stream is broken"));
    } else {
      WriteNext();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {  // Closed in order; or broken: then OnCancel comes, too.
      MutexLock lock(&mu_);
      End(absl::OkStatus());
      return;
    }
    absl::StatusOr<In> message = FromProto(std::move(in_), &received_records_);
    if (!message.ok()) guard_.Count(Refusal::kMessage);
    const absl::Status wrong =
        message.ok() ? tokens_.OnReceived(*message) : message.status();
    if (!wrong.ok()) {
      MutexLock lock(&mu_);
      Break(wrong, wrong);
      return;
    }
    handler_->OnMessage(*std::move(message));
    in_.Clear();
    MutexLock lock(&mu_);
    if (state_ != State::kEnding) this->StartRead(&in_);
  }

  void OnCancel() override {
    MutexLock lock(&mu_);
    cancelled_ = true;
  }

  void OnDone() override {
    absl::Status reason;
    {
      MutexLock lock(&mu_);
      reason = local_;
      if (reason.ok() && cancelled_) {
        reason = absl::UnavailableError("the other side is gone");
      }
    }
    if (handler_ != nullptr) handler_->OnClosed(std::move(reason));
    handler_.reset();
    // May be the last reference.
    const std::shared_ptr<Stream> self = std::move(self_);
  }

  const int bound_;
  const Guard guard_;
  grpc::CallbackServerContext* const context_;  // gRPC's, until Finish.
  std::shared_ptr<Stream> self_;
  std::unique_ptr<SessionHandler<In>> handler_;  // Used by the reactions.
  InMessage in_;                                 // The same.
  RecordReceiver received_records_;              // The same.
  Tokens tokens_;
  Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kOpen;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;  // out_ is gRPC's.
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Out> queue_ ABSL_GUARDED_BY(mu_);
  RecordSender sent_records_ ABSL_GUARDED_BY(mu_);
  absl::Status local_ ABSL_GUARDED_BY(mu_);   // Why this side ended it.
  absl::Status remote_ ABSL_GUARDED_BY(mu_);  // The other side is told this.
  OutMessage out_;
};

using WorkerStream =
    Stream<SchedulerToWorker, WorkerToScheduler, v1::SchedulerToWorker,
           v1::WorkerToScheduler, WorkerLinkTokens>;
using ServerStream =
    Stream<SchedulerToServer, ServerToScheduler, v1::SchedulerToServer,
           v1::ServerToScheduler, ServerLinkTokens>;

class SchedulerService : public v1::Scheduler::CallbackService,
                         public StoppableService {
 public:
  SchedulerService(const SchedulerServices& services,
                   const TransportOptions& options, Guard guard)
      : sessions_(services.sessions),
        admin_(services.admin),
        guard_(std::move(guard)),
        bound_(options.session_queue_messages),
        most_sessions_(static_cast<size_t>(options.max_calls)),
        pool_(options.admin_threads, options.admin_queue) {}

  grpc::Service* service() override { return this; }

  void BeginShutdown() override {
    std::vector<std::weak_ptr<StreamBase>> streams;
    {
      MutexLock lock(&mu_);
      stopping_ = true;
      streams.swap(streams_);
    }
    for (const auto& weak : streams) {
      if (const auto stream = weak.lock()) {
        stream->Abort(absl::CancelledError("the listener was destroyed"));
      }
    }
  }

  // A handler runs in its stream's reactions only, and those are over.
  void EndShutdown() override {}

  grpc::ServerBidiReactor<v1::WorkerToScheduler, v1::SchedulerToWorker>*
  WorkerSession(grpc::CallbackServerContext* context) override {
    auto stream =
        std::make_shared<WorkerStream>(context, bound_, guard_, admin_);
    std::unique_ptr<WorkerLinkHandler> handler;
    const absl::Status room = Remember(stream);
    if (room.ok()) handler = sessions_->OnWorkerConnected(stream);
    return stream->Start(stream, std::move(handler), OrRefused(room));
  }

  grpc::ServerBidiReactor<v1::ServerToScheduler, v1::SchedulerToServer>*
  ServerSession(grpc::CallbackServerContext* context) override {
    auto stream =
        std::make_shared<ServerStream>(context, bound_, guard_, admin_);
    std::unique_ptr<ServerLinkHandler> handler;
    const absl::Status room = Remember(stream);
    if (room.ok()) handler = sessions_->OnServerConnected(stream);
    return stream->Start(stream, std::move(handler), OrRefused(room));
  }

#define EBB_FORWARD(Name, roles, token)                                       \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,        \
                                 const v1::Name##Request* request,            \
                                 v1::Name##Response* response) override {     \
    return RunAdmin(&pool_, admin_, context, request, response,               \
                    &SchedulerAdminHandler::Name, AdminToken::token, guard_); \
  }
  EBB_SCHEDULER_ADMIN_RPCS(EBB_FORWARD)
#undef EBB_FORWARD

 private:
  static absl::Status OrRefused(const absl::Status& room) {
    return room.ok() ? absl::UnavailableError("the session was refused") : room;
  }

  // An error: no sessions here, or no more.
  absl::Status Remember(const std::shared_ptr<StreamBase>& stream) {
    MutexLock lock(&mu_);
    if (stopping_ || sessions_ == nullptr) {
      return absl::UnavailableError("the session was refused");
    }
    std::erase_if(streams_, [](const auto& known) { return known.expired(); });
    if (streams_.size() >= most_sessions_) {
      guard_.Count(Refusal::kSessions);
      return absl::ResourceExhaustedError(absl::StrCat(
          "the scheduler has ", streams_.size(), " sessions: try again later"));
    }
    streams_.push_back(stream);
    return absl::OkStatus();
  }

  SchedulerHandler* const sessions_;    // Not owned.
  SchedulerAdminHandler* const admin_;  // Not owned.
  const Guard guard_;
  const int bound_;
  const size_t most_sessions_;
  AdminPool pool_;
  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::weak_ptr<StreamBase>> streams_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<StoppableService> MakeSchedulerService(
    const SchedulerServices& services, const TransportOptions& options,
    Guard guard) {
  return std::make_unique<SchedulerService>(services, options,
                                            std::move(guard));
}

}  // namespace ebb::rpc::internal
