#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/steady_time.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_bytes.h"
#include "rpc/internal/grpc_client.h"
#include "rpc/internal/grpc_pieces.h"
#include "rpc/internal/grpc_time.h"
#include "rpc/internal/key_lists.h"
#include "rpc/internal/push_queue.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

namespace {

constexpr char kPush[] = "/ebb.v1.ParameterServer/Push";
constexpr char kPushMany[] = "/ebb.v1.ParameterServer/PushMany";
constexpr char kPull[] = "/ebb.v1.ParameterServer/Pull";
constexpr char kPushInPieces[] = "/ebb.v1.ParameterServer/PushInPieces";
constexpr char kPullInPieces[] = "/ebb.v1.ParameterServer/PullInPieces";
constexpr char kClock[] = "/ebb.v1.ParameterServer/Clock";
constexpr char kFetch[] = "/ebb.v1.ParameterServer/Fetch";

class GrpcPsChannel : public PsChannel {
  // A push that was not sent yet, or not answered.
  struct Outgoing {
    Payload message;
    std::optional<PushRequest> whole;  // Set if the message names keys.
    absl::Time until;
    PushDone done;
  };
  using PushCall = PushQueue<Outgoing>::Call;
  using PushCalls = PushQueue<Outgoing>::Calls;

 public:
  GrpcPsChannel(const std::shared_ptr<grpc::Channel>& channel,
                const TransportOptions& options, Guard guard,
                std::shared_ptr<SentKeys> sent_keys)
      : guard_(std::move(guard)),
        sizes_(options),
        most_bytes_(options.max_assembled_bytes),
        sent_keys_(std::move(sent_keys)),
        stub_(channel),
        queue_(QueueOptions(options)) {}

  ~GrpcPsChannel() override {
    std::vector<std::shared_ptr<grpc::ClientContext>> calls;
    PushCalls waiting;
    {
      MutexLock lock(&mu_);
      destroyed_ = true;
      calls.assign(calls_.begin(), calls_.end());
      waiting = queue_.Separate();
    }
    for (const auto& call : calls) call->TryCancel();
    calls.clear();
    SendAll(std::move(waiting));  // Which cancels them.
    MutexLock lock(&mu_);
    while (!calls_.empty()) idle_.Wait(&mu_);
  }

  void Push(PushRequest request, absl::Duration deadline,
            PushDone done) override {
    const PushStream stream =
        PushStream::Of(request, guard_.ShownWith(request));
    const int64_t sequence = request.sequence;
    const absl::Time until = SteadyNow() + deadline;
    const NamedKeys named = sent_keys_->NamesFor(request);
    CountSentKeys(request, named, guard_.keys.get());
    Outgoing push{Encode(request, named), {}, until, std::move(done)};
    const int64_t bytes = push.message.size();
    if (!named.empty()) push.whole = std::move(request);
    PushCalls now;
    {
      MutexLock lock(&mu_);
      now = queue_.Add(stream, sequence, until, bytes, std::move(push));
    }
    SendAll(std::move(now));
  }

  void Pull(const PullRequest& request, absl::Duration deadline,
            PullDone done) override {
    // An evaluation pushes nothing.
    KeyLists lists = request.snapshot == 0 ? KeyLists::Of(request) : KeyLists();
    const Payload message = Encode(request, /*keep=*/!lists.empty());
    const bool in_pieces =
        std::max(message.size(), request.expected_bytes) > sizes_.whole;
    const Way way{kPull, in_pieces ? kPullInPieces : nullptr,
                  guard_.ShownWith(request), SteadyNow() + deadline};
    if (lists.empty()) {
      Start<PullReply>(
          way, message,
          [](const Payload& bytes) { return DecodePullReply(bytes); },
          std::move(done));
      return;
    }
    Start<PullReply>(
        way, message,
        [this, lists = std::move(lists)](const Payload& bytes) {
          uint64_t number = 0;
          auto reply = DecodePullReply(bytes, &number);
          if (reply.ok()) sent_keys_->Kept(*reply, number, lists);
          return reply;
        },
        std::move(done));
  }

  void Clock(const ClockUpdate& update) override {
    // It is repeated anyway.
    constexpr absl::Duration kDeadline = absl::Seconds(5);
    struct Nothing {};
    Start<Nothing>(
        {kClock, nullptr, guard_.ShownWith(update), SteadyNow() + kDeadline},
        Encode(update),
        [](const Payload&) { return absl::StatusOr<Nothing>(Nothing{}); },
        [](absl::StatusOr<Nothing>) {});
  }

  void Fetch(const FetchRequest& request, absl::Duration deadline,
             FetchDone done) override {
    Start<FetchReply>({kFetch, nullptr, /*shown=*/"", SteadyNow() + deadline},
                      Encode(request), &DecodeFetchReply, std::move(done));
  }

 private:
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
  };
  // A call's, which keeps the call.
  using ContextPtr = std::shared_ptr<grpc::ClientContext>;

  static PushQueueOptions QueueOptions(const TransportOptions& options) {
    PushQueueOptions queue;
    queue.call_bytes = std::min(queue.call_bytes, options.max_message_bytes);
    return queue;
  }

  void SendAll(PushCalls calls) {
    for (PushCall& call : calls) {
      if (call.pushes.size() > 1) {
        SendTogether(std::move(call));
      } else {
        SendAlone(std::move(call));
      }
    }
  }

  // Waiting pushes go before the callers hear of the call's end.
  void CallEnded(const PushCall& call) {
    if (call.counts == 0) return;
    PushCalls now;
    {
      MutexLock lock(&mu_);
      now = queue_.Ended(call.stream, call.counts);
    }
    SendAll(std::move(now));
  }

  void SendAlone(PushCall sent) {
    const auto call = std::make_shared<PushCall>(std::move(sent));
    Outgoing& push = call->pushes[0];
    const bool in_pieces = push.message.size() > sizes_.whole;
    Start<PushReply>(
        {kPush, in_pieces ? kPushInPieces : nullptr, call->stream.shown,
         push.until},
        push.message, &DecodePushReply, [this, call](PushAnswer answer) {
          CallEnded(*call);
          Answered(call->stream, &call->pushes[0], std::move(answer));
        });
  }

  void SendTogether(PushCall sent) {
    const auto call = std::make_shared<PushCall>(std::move(sent));
    std::vector<const Payload*> messages;
    absl::Time until = absl::InfiniteFuture();
    for (const Outgoing& push : call->pushes) {
      messages.push_back(&push.message);
      until = std::min(until, push.until);
    }
    Start<std::vector<PushAnswer>>(
        {kPushMany, nullptr, call->stream.shown, until},
        EncodePushMany(messages), &DecodePushAnswers,
        [this, call](absl::StatusOr<std::vector<PushAnswer>> answers) {
          if (absl::IsUnimplemented(answers.status()))
            return Separate(call.get());
          const size_t pushes = call->pushes.size();
          if (answers.ok() && answers->size() != pushes) {
            answers = absl::InvalidArgumentError(
                absl::StrCat(answers->size(), " answers to ", pushes,
                             " pushes: a bug of the server"));
          }
          CallEnded(*call);
          for (size_t i = 0; i < pushes; ++i) {
            AnsweredTogether(call->stream, &call->pushes[i],
                             answers.ok() ? std::move((*answers)[i])
                                          : PushAnswer(answers.status()));
          }
        });
  }

  // The server is an older one.
  void Separate(PushCall* call) {
    PushCalls waiting;
    {
      MutexLock lock(&mu_);
      waiting = queue_.Separate();
    }
    for (Outgoing& push : call->pushes) {
      SendAgain(call->stream, std::move(push));
    }
    SendAll(std::move(waiting));
  }

  void AnsweredTogether(const PushStream& stream, Outgoing* push,
                        PushAnswer answer) {
    // One before it was not taken.
    if (absl::IsFailedPrecondition(answer.status())) {
      return SendAgain(stream, std::move(*push));
    }
    // The call went well: it is the server's own.
    if (absl::IsCancelled(answer.status())) {
      answer = absl::UnavailableError(answer.status().message());
    }
    Answered(stream, push, std::move(answer));
  }

  void Answered(const PushStream& stream, Outgoing* push, PushAnswer answer) {
    if (!push->whole.has_value() || !absl::IsAborted(answer.status())) {
      // What it holds goes before the channel does.
      return std::exchange(push->done, nullptr)(std::move(answer));
    }
    // The server has not judged it. Later pushes wait for it there.
    sent_keys_->Forget();
    CountSentKeys(*push->whole, {}, guard_.keys.get());
    if (guard_.keys != nullptr) guard_.keys->CountUnknown();
    push->message = Encode(*push->whole);
    push->whole.reset();
    SendAgain(stream, std::move(*push));
  }

  // Alone, and without waiting: others may wait for it at the server.
  void SendAgain(const PushStream& stream, Outgoing push) {
    PushCall call{stream, /*counts=*/0, {}};
    call.pushes.push_back(std::move(push));
    SendAlone(std::move(call));
  }

  // How a call is made.
  struct Way {
    const char* method;
    const char* in_pieces;  // The same in pieces; null: it goes whole.
    std::string shown;
    absl::Time until;
  };

  template <typename Reply, typename Decode>
  void Start(const Way& way, const Payload& request, Decode decode,
             std::function<void(absl::StatusOr<Reply>)> done) {
    if (way.in_pieces != nullptr) {
      return StartInPieces<Reply>(way, request, std::move(decode),
                                  std::move(done));
    }
    auto call = std::make_shared<Call>();
    ContextPtr context(call, &call->context);
    if (!Begin(way, context)) return done(Destroyed());
    call->request = ToByteBuffer(request);
    stub_.UnaryCall(&call->context, way.method, grpc::StubOptions(),
                    &call->request, &call->response,
                    [this, call, context, decode = std::move(decode),
                     done = std::move(done)](grpc::Status status) mutable {
                      if (status.ok()) {
                        done(decode(ToPayload(call->response)));
                      } else {
                        done(Failure(status));
                      }
                      // What it holds goes before the channel does.
                      done = nullptr;
                      call.reset();
                      End(std::move(context));
                    });
  }

  template <typename Reply, typename Decode>
  void StartInPieces(const Way& way, const Payload& request, Decode decode,
                     std::function<void(absl::StatusOr<Reply>)> done) {
    auto call =
        std::make_shared<PiecesCaller>(request, sizes_.piece, most_bytes_);
    ContextPtr context(call, &call->context);
    if (!Begin(way, context)) return done(Destroyed());
    call->Start(&stub_, way.in_pieces,
                [this, context = std::move(context), way, request,
                 decode = std::move(decode), done = std::move(done)](
                    const grpc::Status& status, const absl::Status& read,
                    const Payload& answer) mutable {
                  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
                    // The server is an older one.
                    Way whole = way;
                    whole.in_pieces = nullptr;
                    Start<Reply>(whole, request, decode, std::move(done));
                  } else if (!read.ok()) {
                    done(read);
                  } else if (!status.ok()) {
                    done(Failure(status));
                  } else {
                    done(decode(answer));
                  }
                  done = nullptr;
                  End(std::move(context));
                });
  }

  // False: the channel is being destroyed.
  bool Begin(const Way& way, const ContextPtr& context) {
    if (!way.shown.empty()) context->AddMetadata(kWorkerTokenKey, way.shown);
    if (way.until < absl::InfiniteFuture()) {
      context->set_deadline(DeadlineIn(way.until - SteadyNow()));
    }
    MutexLock lock(&mu_);
    if (destroyed_) return false;
    calls_.insert(context);
    return true;
  }
  static absl::Status Destroyed() {
    return absl::CancelledError("the channel was destroyed");
  }

  absl::Status Failure(const grpc::Status& status) {
    MutexLock lock(&mu_);
    return destroyed_ ? FromGrpc(status) : FromGrpcNotCancelled(status);
  }

  // The call's context refers to gRPC's channel, whose destructor joins the
  // threads that run callbacks: the last reference must not be dropped on one
  // of them, after ours is gone.
  void End(ContextPtr context) {
    MutexLock lock(&mu_);
    calls_.erase(context);
    context.reset();
    if (calls_.empty()) idle_.SignalAll();
  }

  const Guard guard_;
  const PieceSizes sizes_;
  const int64_t most_bytes_;  // Most bytes of an answer in pieces.
  const std::shared_ptr<SentKeys> sent_keys_;
  PiecesCaller::Stub stub_;
  Mutex mu_;
  CondVar idle_;
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
  PushQueue<Outgoing> queue_ ABSL_GUARDED_BY(mu_);
  // Until their callbacks returned.
  absl::flat_hash_set<ContextPtr> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<PsChannel> ConnectGrpcPs(
    const std::shared_ptr<grpc::Channel>& channel,
    const TransportOptions& options, Guard guard,
    std::shared_ptr<SentKeys> sent_keys) {
  return std::make_unique<GrpcPsChannel>(channel, options, std::move(guard),
                                         std::move(sent_keys));
}

}  // namespace ebb::rpc::internal
