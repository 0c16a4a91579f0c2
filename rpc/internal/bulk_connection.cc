#include "rpc/internal/bulk_connection.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "glog/logging.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/message_parts.h"
#include "rpc/internal/message_sender.h"
#include "rpc/rpc_roles.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

namespace {

// The RPC with the same meaning.
absl::string_view RpcOf(uint32_t kind) {
  switch (kind) {
    case kBulkPush:
      return "/ebb.v1.ParameterServer/Push";
    case kBulkPull:
      return "/ebb.v1.ParameterServer/Pull";
    case kBulkClock:
      return "/ebb.v1.ParameterServer/Clock";
    case kBulkFetch:
      return "/ebb.v1.ParameterServer/Fetch";
    default:
      return "";
  }
}

// Checks what the RPC with the same meaning allows (rpc_roles.h).
absl::Status CheckRole(const CallServices& services, const BulkPeer& peer,
                       uint32_t kind) {
  if (!peer.role.has_value()) return absl::OkStatus();
  absl::Status may = CheckCaller(RpcOf(kind), *peer.role, peer.name);
  if (!may.ok()) services.guard.Count(Refusal::kRole);
  return may;
}

}  // namespace

BulkReader::Admit BulkConnection::Admission(const CallServices& services,
                                            const BulkPeer& peer) {
  return [services, peer](uint32_t kind, absl::string_view token,
                          const Payload& header) -> absl::Status {
    EBB_RETURN_IF_ERROR(CheckRole(services, peer, kind));
    if (services.guard.tokens == nullptr || kind == kBulkFetch) {
      return absl::OkStatus();
    }
    const absl::StatusOr<MessageSender> sender = SenderOf(header);
    if (sender.ok()) return services.guard.CheckWorker(*sender, token);
    services.guard.Count(Refusal::kMessage);
    return sender.status();
  };
}

BulkConnection::BulkConnection(const CallServices& services,
                               std::unique_ptr<BulkStream> stream,
                               BulkPeer peer)
    : services_(services), stream_(std::move(stream)), peer_(std::move(peer)) {}

bool BulkConnection::closed() const {
  MutexLock lock(&mu_);
  return closed_;
}

void BulkConnection::StopWhenIdle(absl::Time until) {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    stop_at_ = until;
  }
  stream_->Wake();
}

void BulkConnection::Run() {
  const absl::Status why =
      stream_->Run([this](const BulkMessage& call) { return Handle(call); },
                   [this] { return Tick(); });
  if (absl::IsInvalidArgument(why)) {
    services_.guard.Count(Refusal::kMessage);
    LOG(WARNING) << "a bulk stream from outside ends: " << why.message();
  }
  Close();
}

std::optional<absl::Time> BulkConnection::Tick() {
  bool idle = false;
  absl::Time stop_at;
  {
    MutexLock lock(&mu_);
    if (!stopping_) return absl::InfiniteFuture();
    idle = open_.empty() && replying_ == 0;
    stop_at = stop_at_;
  }
  if (SteadyNow() >= stop_at || (idle && stream_->AllSent())) {
    return std::nullopt;
  }
  // Answers leave by other threads, which do not tell.
  return SteadyNow() + absl::Milliseconds(1);
}

bool BulkConnection::Handle(const BulkMessage& call) {
  if (RpcOf(call.kind).empty()) return false;
  absl::Status begun = call.refused;
  if (absl::IsResourceExhausted(begun)) services_.guard.Count(Refusal::kCalls);
  if (begun.ok()) begun = CheckRole(services_, peer_, call.kind);
  if (call.kind == kBulkClock) {
    // It is repeated anyway.
    return !begun.ok() || ServeClock(services_, call.message, call.token);
  }
  {
    MutexLock lock(&mu_);
    if (open_.contains(call.id)) return false;
  }
  if (begun.ok()) begun = BeginCall(services_, call.message.size());
  if (!begun.ok()) {
    Reply(call.id, begun, {});
    return true;
  }
  {
    MutexLock lock(&mu_);
    open_.insert(call.id);
  }
  if (call.kind == kBulkFetch) {
    ServeFetch(services_, shared_from_this(), call.id, call.message);
  } else {
    ServeMessage(services_, shared_from_this(), call.id, call.kind == kBulkPush,
                 call.message, call.token);
  }
  return true;
}

void BulkConnection::Answer(uint64_t id, const absl::Status& status,
                            const Payload& message, bool /*is_push*/) {
  {
    MutexLock lock(&mu_);
    if (closed_ || open_.erase(id) == 0) return;
    ++replying_;
  }
  // Not counted any more when the worker hears of it and calls again.
  services_.traffic->CallEnded();
  if (status.ok() && message.size() > services_.most_bytes) {
    Reply(id, AnswerTooLarge(message.size(), services_.most_bytes), {});
  } else if (status.ok() && HeaderOf(message).size() > kMaxHeaderBytes) {
    // The other side would take it for nonsense, and end the connection.
    Reply(id,
          absl::InvalidArgumentError(absl::StrCat("the answer has more than ",
                                                  kMaxHeaderBytes,
                                                  " bytes besides its values")),
          {});
  } else {
    Reply(id, status, message);
  }
  MutexLock lock(&mu_);
  --replying_;
}

void BulkConnection::Reply(uint64_t id, const absl::Status& status,
                           const Payload& message) {
  BulkOutgoing reply = {.kind = kBulkReply,
                        .status = static_cast<uint32_t>(status.code()),
                        .id = id,
                        .message = message};
  if (!status.ok()) {
    const auto text = std::make_shared<const std::string>(status.message());
    reply.message = {};
    reply.message.Append(text, BytesOf(*text));
  }
  // A side that does not read gets nothing more: the stream ends.
  stream_->Send(std::move(reply), BulkStream::Order::kBySize);
}

void BulkConnection::Close() {
  MutexLock lock(&mu_);
  closed_ = true;
  for (size_t i = 0; i < open_.size(); ++i) services_.traffic->CallEnded();
  open_.clear();
}

}  // namespace ebb::rpc::internal
