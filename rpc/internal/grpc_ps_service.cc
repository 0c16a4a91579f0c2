#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "rpc/admin.h"
#include "rpc/admin_rpcs.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_admin.h"
#include "rpc/internal/grpc_bytes.h"
#include "rpc/internal/grpc_listener.h"
#include "rpc/internal/grpc_pieces.h"
#include "rpc/internal/grpc_push_many_call.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/key_lists.h"
#include "rpc/internal/message_sender.h"
#include "rpc/internal/token_messages.h"
#include "rpc/internal/traffic.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

namespace {

// One push, pull or fetch. gRPC's part of it, which lives until OnDone, and
// what the handler's `done` holds, which may live longer: they meet in
// `finished`, whose first setter alone calls Finish.
class DataCall : public grpc::ServerUnaryReactor {
 public:
  class Ticket {
   public:
    Ticket(DataCall* call, grpc::ByteBuffer* response)
        : call_(call), response_(response) {}
    // The last copy of `done` is gone.
    ~Ticket() {
      Finish(absl::UnavailableError("the request was not answered"));
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    void Answer(const Payload& response) {
      if (finished_.exchange(true)) return;
      *response_ = ToByteBuffer(response);
      call_->End(grpc::Status::OK);
    }
    void Finish(const absl::Status& status) {
      if (finished_.exchange(true)) return;
      call_->End(ToGrpc(status));
    }

   private:
    DataCall* const call_;
    grpc::ByteBuffer* const response_;
    std::atomic<bool> finished_ = false;  // Orders no other data.
  };

  explicit DataCall(Traffic* traffic) : traffic_(traffic) {}

  std::shared_ptr<Ticket> MakeTicket(grpc::ByteBuffer* response) {
    auto ticket = std::make_shared<Ticket>(this, response);
    ticket_ = ticket;
    return ticket;
  }

 private:
  void OnCancel() override {
    if (const auto ticket = ticket_.lock()) {
      ticket->Finish(absl::CancelledError("the caller is gone"));
    }
  }
  void OnDone() override { delete this; }
  // Both reactions are short: gRPC need not wake a thread for each.
  bool InternalInlineable() override { return true; }

  // Not counted any more when the caller hears of it and calls again.
  void End(const grpc::Status& status) {
    traffic_->CallEnded();
    Finish(status);
  }

  Traffic* const traffic_;  // Not owned.
  std::weak_ptr<Ticket> ticket_;
};

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// One ReadVersion: the handler, on a thread of the pool, waits for each write;
// but not for a caller that does not read.
class ReadVersionCall
    : public grpc::ServerWriteReactor<v1::ReadVersionResponse> {
 public:
  explicit ReadVersionCall(grpc::CallbackServerContext* context)
      : context_(context) {}

  void Run(PsAdminHandler* handler, const v1::ReadVersionRequest& request,
           const Guard& guard, const std::string& shown) {
    const uint64_t job = JobOf(request).value();
    const auto record = CheckOwner(guard, handler, job, "", shown);
    absl::Status status = record.status();
    if (status.ok() && guard.tokens != nullptr && *record == nullptr) {
      status = NoSuchJob(job, "");
    }
    if (status.ok()) {
      guard_ = &guard;
      status = handler->ReadVersion(
          request,
          [this](const v1::ReadVersionResponse& piece) { return Emit(piece); });
    }
    Finish(ToGrpc(status));
  }

 private:
  absl::Status Emit(const v1::ReadVersionResponse& piece) {
    {
      MutexLock lock(&mu_);
      written_ = false;
    }
    StartWrite(&piece);
    MutexLock lock(&mu_);
    const absl::Time limit = SteadyNow() + kPieceLimit;
    while (!written_ && SteadyNow() < limit) {
      changed_.WaitFor(&mu_, limit - SteadyNow());
    }
    if (!written_) {
      guard_->Count(Refusal::kUnread);
      context_->TryCancel();  // Which ends the write.
      while (!written_) changed_.Wait(&mu_);
    }
    if (ok_) return absl::OkStatus();
    return absl::CancelledError("the reader of the version is gone");
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mu_);
    written_ = true;
    ok_ = ok;
    changed_.SignalAll();
  }
  void OnDone() override { delete this; }

  // For 4 MiB: a caller slower than 1 MB/s counts as not reading.
  static constexpr absl::Duration kPieceLimit = absl::Seconds(5);

  grpc::CallbackServerContext* const context_;  // gRPC's, until Finish.
  const Guard* guard_ = nullptr;                // The service's.
  Mutex mu_;
  CondVar changed_;
  bool written_ ABSL_GUARDED_BY(mu_) = false;
  bool ok_ ABSL_GUARDED_BY(mu_) = false;
};

// A message stands still after so many times keepalive_timeout, 2 min by
// default: longer than one piece takes on a slow link, for which a longer
// keepalive_timeout is set anyway.
constexpr int kPiecesStuckAfter = 60;

// Admin RPCs come as messages; pushes, pulls and fetches as bytes.
#define EBB_WITH(Name, roles, token) \
  v1::ParameterServer::WithCallbackMethod_##Name <
#define EBB_CLOSE(Name, roles, token) >
using PsAdminBase = EBB_PS_ADMIN_RPCS(EBB_WITH)
    v1::ParameterServer::WithCallbackMethod_ReadVersion<
        v1::ParameterServer::Service> EBB_PS_ADMIN_RPCS(EBB_CLOSE);
#undef EBB_CLOSE
#undef EBB_WITH
using PsBase = v1::ParameterServer::WithRawCallbackMethod_Push<
    v1::ParameterServer::WithRawCallbackMethod_PushMany<
        v1::ParameterServer::WithRawCallbackMethod_Pull<
            v1::ParameterServer::WithRawCallbackMethod_PushInPieces<
                v1::ParameterServer::WithRawCallbackMethod_PullInPieces<
                    v1::ParameterServer::WithRawCallbackMethod_Clock<
                        v1::ParameterServer::WithRawCallbackMethod_Fetch<
                            PsAdminBase>>>>>>>;

class PsService : public PsBase, public StoppableService {
 public:
  PsService(const PsServices& services, const TransportOptions& options,
            Traffic* traffic, Guard guard, KeptKeys* kept_keys)
      : data_(services.data),
        admin_(services.admin),
        guard_(std::move(guard)),
        traffic_(traffic),
        piece_bytes_(PieceSizes(options).piece),
        pieces_{.room = AssemblyRoom(options.max_assembled_bytes),
                .progress = PieceProgress(kPiecesStuckAfter *
                                          options.keepalive_timeout)},
        kept_keys_(kept_keys),
        pool_(options.admin_threads, options.admin_queue) {}

  grpc::Service* service() override { return this; }
  void BeginShutdown() override { traffic_->Stop(); }
  void EndShutdown() override { traffic_->WaitForHandlers(); }

  grpc::ServerUnaryReactor* Push(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override {
    return Serve(context, response, [&](const auto& make_ticket) {
      return Push(*context, ToPayload(*request), make_ticket);
    });
  }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PushInPieces(
      grpc::CallbackServerContext* context) override {
    return ServeInPieces(context, [this, context](const Payload& request,
                                                  const auto& make_ticket) {
      return Push(*context, request, make_ticket);
    });
  }

  grpc::ServerUnaryReactor* PushMany(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    if (data_ == nullptr) return Refuse(context, NoData());
    const auto pushes = DecodePushMany(ToPayload(*request));
    if (!pushes.ok()) {
      guard_.Count(Refusal::kMessage);
      return Refuse(context, pushes.status());
    }
    auto* call = new PushManyCall;  // Deletes itself in OnDone.
    const auto answers = call->MakeAnswers(response, traffic_, pushes->size());
    size_t i = 0;
    for (; i < pushes->size(); ++i) {
      NamedKeys named;
      auto push = DecodePushRequest((*pushes)[i], &named);
      const absl::Status may =
          MayBegin(*context, &push,
                   [&](PushRequest* whole) { return Complete(named, whole); });
      if (!may.ok()) {
        answers->Set(i++, may);
        break;
      }
      if (!answers->Begin(i)) {
        traffic_->HandlerReturned();
        break;
      }
      data_->Push(*std::move(push),
                  [ticket = std::make_shared<PushManyCall::Ticket>(answers, i)](
                      PushReply reply) { ticket->Answer(std::move(reply)); });
      traffic_->HandlerReturned();
    }
    // A push that is to be judged after one that its caller must send again
    // would be held for it, and this call with it: the caller would never know.
    for (; i < pushes->size(); ++i) {
      answers->Set(i, absl::FailedPreconditionError(
                          "a push before it, in the same call, was not taken"));
    }
    return call;
  }

  grpc::ServerUnaryReactor* Pull(grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) override {
    return Serve(context, response, [&](const auto& make_ticket) {
      return Pull(*context, ToPayload(*request), make_ticket);
    });
  }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PullInPieces(
      grpc::CallbackServerContext* context) override {
    return ServeInPieces(context, [this, context](const Payload& request,
                                                  const auto& make_ticket) {
      return Pull(*context, request, make_ticket);
    });
  }

  grpc::ServerUnaryReactor* Clock(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override {
    if (data_ == nullptr) return Refuse(context, NoData());
    absl::StatusOr<ClockUpdate> update = DecodeClockUpdate(ToPayload(*request));
    if (absl::Status may = MayBegin(*context, &update, Nothing()); !may.ok()) {
      return Refuse(context, may);
    }
    data_->Clock(*std::move(update));
    traffic_->HandlerReturned();
    traffic_->CallEnded();
    *response = ToByteBuffer(Payload());  // ClockResponse has no fields.
    return Refuse(context, absl::OkStatus());
  }

  grpc::ServerUnaryReactor* Fetch(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override {
    return Serve(context, response, [&](const auto& make_ticket) {
      return HandOver<FetchReply>(
          *context, DecodeFetchRequest(ToPayload(*request)), &PsHandler::Fetch,
          Nothing(), [](const FetchReply& reply) { return Encode(reply); },
          make_ticket);
    });
  }

#define EBB_FORWARD(Name, roles, token)                                   \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,    \
                                 const v1::Name##Request* request,        \
                                 v1::Name##Response* response) override { \
    return RunAdmin(&pool_, admin_, context, request, response,           \
                    &PsAdminHandler::Name, AdminToken::token, guard_);    \
  }
  EBB_PS_ADMIN_RPCS(EBB_FORWARD)
#undef EBB_FORWARD

  grpc::ServerWriteReactor<v1::ReadVersionResponse>* ReadVersion(
      grpc::CallbackServerContext* context,
      const v1::ReadVersionRequest* request) override {
    auto* call = new ReadVersionCall(context);  // Deletes itself in OnDone.
    if (admin_ == nullptr) {
      call->Finish(ToGrpc(NoAdmin()));
    } else if (!pool_.Post([this, call, request,
                            shown = ShownIn(*context, kJobTokenKey)] {
                 call->Run(admin_, *request, guard_, shown);
               })) {
      guard_.Count(Refusal::kAdminCalls);
      call->Finish(ToGrpc(TooManyAdminCalls()));
    }
    return call;
  }

 private:
  static absl::Status NoData() {
    return absl::UnimplementedError("this address serves no pushes or pulls");
  }

  // A fetch is of a server, and not of one job.
  absl::Status CheckToken(const grpc::CallbackServerContext&,
                          const FetchRequest&) {
    return absl::OkStatus();
  }
  template <typename Request>
  absl::Status CheckToken(const grpc::CallbackServerContext& context,
                          const Request& request) {
    if (guard_.tokens == nullptr) return absl::OkStatus();
    return guard_.CheckWorker(request, ShownIn(context, kWorkerTokenKey));
  }

  // The beginning of a push or a pull says which worker must show its token.
  absl::Status CheckSender(const grpc::CallbackServerContext& context,
                           const Payload& beginning) {
    if (guard_.tokens == nullptr) return absl::OkStatus();
    const auto sender = SenderOf(beginning);
    if (!sender.ok()) {
      guard_.Count(Refusal::kMessage);
      return sender.status();
    }
    return CheckToken(context, *sender);
  }

  // Does nothing more with a request whose sender may send it.
  struct Nothing {
    template <typename Request>
    absl::Status operator()(Request*) const {
      return absl::OkStatus();
    }
  };

  absl::Status Complete(const NamedKeys& named, PushRequest* push) {
    return CompletePush(kept_keys_, named, guard_.keys.get(), push);
  }

  // OK: the call is counted as begun, and its request is complete.
  template <typename Request, typename Complete>
  absl::Status MayBegin(const grpc::CallbackServerContext& context,
                        absl::StatusOr<Request>* request,
                        const Complete& complete) {
    if (!request->ok()) {
      guard_.Count(Refusal::kMessage);
      return request->status();
    }
    EBB_RETURN_IF_ERROR(CheckToken(context, **request));
    EBB_RETURN_IF_ERROR(complete(&**request));
    absl::Status begun = traffic_->Begin();
    if (absl::IsResourceExhausted(begun)) guard_.Count(Refusal::kCalls);
    return begun;
  }

  template <typename MakeTicket>
  absl::Status Push(const grpc::CallbackServerContext& context,
                    const Payload& request, const MakeTicket& make_ticket) {
    NamedKeys named;
    return HandOver<PushReply>(
        context, DecodePushRequest(request, &named), &PsHandler::Push,
        [&](PushRequest* push) { return Complete(named, push); },
        [](const PushReply& reply) { return Encode(reply); }, make_ticket);
  }

  template <typename MakeTicket>
  absl::Status Pull(const grpc::CallbackServerContext& context,
                    const Payload& request, const MakeTicket& make_ticket) {
    bool keep = false;
    const auto number = std::make_shared<uint64_t>(0);
    return HandOver<PullReply>(
        context, DecodePullRequest(request, &keep), &PsHandler::Pull,
        [&](PullRequest* pull) {
          if (keep) *number = kept_keys_->Keep(*pull);
          return absl::OkStatus();
        },
        [number](const PullReply& reply) { return Encode(reply, *number); },
        make_ticket);
  }

  // Gives the request to the handler, with a ticket of the call. Not OK: the
  // handler was not called, and no ticket was made.
  template <typename Reply, typename Request, typename Complete,
            typename EncodeReply, typename MakeTicket>
  absl::Status HandOver(const grpc::CallbackServerContext& context,
                        absl::StatusOr<Request> decoded,
                        void (PsHandler::*method)(Request,
                                                  std::function<void(Reply)>),
                        const Complete& complete, EncodeReply encode,
                        const MakeTicket& make_ticket) {
    if (data_ == nullptr) return NoData();
    EBB_RETURN_IF_ERROR(MayBegin(context, &decoded, complete));
    {
      const auto ticket = make_ticket();
      (data_->*method)(*std::move(decoded),
                       [ticket, encode](const Reply& reply) {
                         ticket->Answer(encode(reply));
                       });
    }
    traffic_->HandlerReturned();
    return absl::OkStatus();
  }

  // `hand_over(make_ticket)` is a HandOver of the request.
  template <typename Hand>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context,
                                  grpc::ByteBuffer* response,
                                  const Hand& hand_over) {
    DataCall* call = nullptr;
    const absl::Status may = hand_over([&] {
      call = new DataCall(traffic_);  // Deletes itself in OnDone.
      return call->MakeTicket(response);
    });
    return may.ok() ? call : Refuse(context, may);
  }

  // `hand_over(request, make_ticket)` is a HandOver of the request.
  template <typename Hand>
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ServeInPieces(
      grpc::CallbackServerContext* context, Hand hand_over) {
    // Deletes itself in OnDone.
    return new PiecesCall(
        context, &pieces_, traffic_, &guard_, piece_bytes_,
        [this, context](const Payload& beginning) {
          return CheckSender(*context, beginning);
        },
        [hand_over](PiecesCall* call, const Payload& request) {
          const absl::Status may =
              hand_over(request, [call] { return call->MakeTicket(); });
          if (!may.ok()) call->Refuse(may);
        });
  }

  PsHandler* const data_;        // Not owned.
  PsAdminHandler* const admin_;  // Not owned.
  const Guard guard_;
  Traffic* const traffic_;  // Not owned.
  const int64_t piece_bytes_;
  PiecesCall::Listener pieces_;
  KeptKeys* const kept_keys_;  // Not owned.
  AdminPool pool_;
};

}  // namespace

std::unique_ptr<StoppableService> MakePsService(const PsServices& services,
                                                const TransportOptions& options,
                                                Traffic* traffic, Guard guard,
                                                KeptKeys* kept_keys) {
  return std::make_unique<PsService>(services, options, traffic,
                                     std::move(guard), kept_keys);
}

}  // namespace ebb::rpc::internal
