// Serves a message that arrived whole, on every way beside
// gRPC.
#ifndef EBB_RPC_INTERNAL_SERVED_CALL_H_
#define EBB_RPC_INTERNAL_SERVED_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/payload.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/key_lists.h"
#include "rpc/internal/traffic.h"
#include "rpc/transport.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

// Shared by the connections of a listener. Not owned.
struct CallServices {
  PsHandler* data = nullptr;
  Traffic* traffic = nullptr;
  int64_t most_bytes = 0;  // Most bytes of a push, or of the answer to a pull.
  Guard guard = {};
  // Null: pushes have all their keys.
  KeptKeys* kept_keys = nullptr;
};

inline absl::Status TooLarge(int64_t bytes, int64_t most_bytes) {
  return absl::OutOfRangeError(absl::StrCat(
      "a message of ", bytes, " bytes; at most ", most_bytes, " are taken"));
}
inline absl::Status AnswerTooLarge(int64_t bytes, int64_t most_bytes) {
  return absl::OutOfRangeError(absl::StrCat("the answer has ", bytes,
                                            " bytes; at most ", most_bytes,
                                            " can be sent"));
}

// Begins a push or a pull of so many bytes. OK: `traffic` counts it.
inline absl::Status BeginCall(const CallServices& services, int64_t bytes) {
  if (bytes > services.most_bytes) return TooLarge(bytes, services.most_bytes);
  absl::Status begun = services.traffic->Begin();
  if (absl::IsResourceExhausted(begun)) services.guard.Count(Refusal::kCalls);
  return begun;
}

// False: nonsense.
inline bool ServeClock(const CallServices& services, const Payload& message,
                       absl::string_view token) {
  absl::StatusOr<ClockUpdate> update = DecodeClockUpdate(message);
  if (!update.ok()) {
    services.guard.Count(Refusal::kMessage);
    return false;
  }
  if (!services.guard.CheckWorker(*update, token).ok()) return true;
  if (!services.traffic->Begin().ok()) return true;
  services.data->Clock(*std::move(update));
  services.traffic->HandlerReturned();
  services.traffic->CallEnded();
  return true;
}

// One call: answered once, by its `done` or by the end of the last copy of it.
// Connection::Answer(id, status, message, is_push) knows which is the first.
template <typename Connection>
class CallTicket {
 public:
  CallTicket(std::shared_ptr<Connection> connection, uint64_t id, bool is_push)
      : connection_(std::move(connection)), id_(id), is_push_(is_push) {}
  ~CallTicket() {
    Answer(absl::UnavailableError("the request was not answered"), {});
  }
  CallTicket(const CallTicket&) = delete;
  CallTicket& operator=(const CallTicket&) = delete;

  void Answer(const absl::Status& status, const Payload& message) {
    connection_->Answer(id_, status, message, is_push_);
  }

 private:
  const std::shared_ptr<Connection> connection_;
  const uint64_t id_;
  const bool is_push_;
};

// Checks whether a sender that shows `token` may send the request. A fetch is
// of a server, and not of one job.
inline absl::Status CheckSender(const CallServices&, const FetchRequest&,
                                absl::string_view) {
  return absl::OkStatus();
}
template <typename Request>
absl::Status CheckSender(const CallServices& services, const Request& request,
                         absl::string_view token) {
  return services.guard.CheckWorker(request, token);
}

// Hands a request that was begun over to `method`, if a sender that shows
// `token` may send it, and once `complete(&request)` is OK.
template <typename Connection, typename Request, typename Reply,
          typename Complete, typename EncodeReply>
void ServeCall(const CallServices& services,
               const std::shared_ptr<Connection>& connection, uint64_t id,
               absl::StatusOr<Request> request, absl::string_view token,
               void (PsHandler::*method)(Request, std::function<void(Reply)>),
               const Complete& complete, EncodeReply encode) {
  const auto ticket = std::make_shared<CallTicket<Connection>>(
      connection, id, std::is_same_v<Reply, PushReply>);
  if (!request.ok()) {
    services.guard.Count(Refusal::kMessage);
    ticket->Answer(request.status(), {});
  } else if (const absl::Status may = CheckSender(services, *request, token);
             !may.ok()) {
    ticket->Answer(may, {});
  } else if (const absl::Status whole = complete(&*request); !whole.ok()) {
    ticket->Answer(whole, {});
  } else {
    (services.data->*method)(*std::move(request),
                             [ticket, encode](const Reply& reply) {
                               ticket->Answer(absl::OkStatus(), encode(reply));
                             });
  }
}

// A push or a pull that was begun, whole.
template <typename Connection>
void ServeMessage(const CallServices& services,
                  const std::shared_ptr<Connection>& connection, uint64_t id,
                  bool is_push, const Payload& message,
                  absl::string_view token) {
  if (is_push) {
    NamedKeys named;
    ServeCall<Connection, PushRequest, PushReply>(
        services, connection, id, DecodePushRequest(message, &named), token,
        &PsHandler::Push,
        [&](PushRequest* push) {
          return CompletePush(services.kept_keys, named,
                              services.guard.keys.get(), push);
        },
        [](const PushReply& reply) { return Encode(reply); });
  } else {
    bool keep = false;
    const auto number = std::make_shared<uint64_t>(0);
    ServeCall<Connection, PullRequest, PullReply>(
        services, connection, id, DecodePullRequest(message, &keep), token,
        &PsHandler::Pull,
        [&](PullRequest* pull) {
          if (keep && services.kept_keys != nullptr) {
            *number = services.kept_keys->Keep(*pull);
          }
          return absl::OkStatus();
        },
        [number](const PullReply& reply) { return Encode(reply, *number); });
  }
  services.traffic->HandlerReturned();
}

// A fetch that was begun, whole.
template <typename Connection>
void ServeFetch(const CallServices& services,
                const std::shared_ptr<Connection>& connection, uint64_t id,
                const Payload& message) {
  ServeCall<Connection, FetchRequest, FetchReply>(
      services, connection, id, DecodeFetchRequest(message), /*token=*/"",
      &PsHandler::Fetch, [](FetchRequest*) { return absl::OkStatus(); },
      [](const FetchReply& reply) { return Encode(reply); });
  services.traffic->HandlerReturned();
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SERVED_CALL_H_
