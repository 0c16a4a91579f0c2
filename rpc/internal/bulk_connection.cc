#include "rpc/internal/bulk_connection.h"

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "glog/logging.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/message_parts.h"

namespace ebb::rpc::internal {

BulkConnection::BulkConnection(const CallServices& services,
                               std::unique_ptr<BulkStream> stream)
    : services_(services), stream_(std::move(stream)) {}

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
    LOG(WARNING) << "a worker's bulk stream ends: " << why.message();
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
  if (absl::Now() >= stop_at || (idle && stream_->AllSent())) {
    return std::nullopt;
  }
  // Answers leave by other threads, which do not tell.
  return absl::Now() + absl::Milliseconds(1);
}

bool BulkConnection::Handle(const BulkMessage& call) {
  if (call.kind == kBulkClock) {
    // It is repeated anyway.
    return !call.refused.ok() ||
           ServeClock(services_, call.message, call.token);
  }
  if (call.kind != kBulkPush && call.kind != kBulkPull) return false;
  {
    MutexLock lock(&mu_);
    if (open_.contains(call.id)) return false;
  }
  absl::Status begun = call.refused;
  if (absl::IsResourceExhausted(begun)) services_.guard.Count(Refusal::kCalls);
  if (begun.ok()) begun = BeginCall(services_, call.message.size());
  if (!begun.ok()) {
    Reply(call.id, begun, {});
    return true;
  }
  {
    MutexLock lock(&mu_);
    open_.insert(call.id);
  }
  ServeMessage(services_, shared_from_this(), call.id, call.kind == kBulkPush,
               call.message, call.token);
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
  // A worker that does not read gets nothing more: the stream ends.
  stream_->Send(std::move(reply), BulkStream::Order::kBySize);
}

void BulkConnection::Close() {
  MutexLock lock(&mu_);
  closed_ = true;
  for (size_t i = 0; i < open_.size(); ++i) services_.traffic->CallEnded();
  open_.clear();
}

}  // namespace ebb::rpc::internal
