#include "rpc/internal/bulk_session.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/tls/certificate.h"
#include "common/tls/role.h"
#include "glog/logging.h"
#include "rpc/internal/bulk_socket.h"
#include "rpc/internal/spread_session.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/internal/tls_socket.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

namespace {

// More calls under way than any worker has.
constexpr size_t kMostCalls = size_t{1} << 16;
// Blocks that a worker keeps for the next answers, over all streams to a
// server.
constexpr int64_t kKeptBytes = int64_t{32} << 20;
// How long a worker asks for more than one stream: an offer lasts for seconds.
constexpr absl::Duration kAskPatience = absl::Seconds(2);

class BulkOpener : public SessionOpener {
 public:
  BulkOpener(std::unique_ptr<BulkAsker> asker, BulkSessionOptions options,
             Fd cancel)
      : asker_(std::move(asker)),
        options_(std::move(options)),
        cancel_(std::move(cancel)) {}

  // All connections are made at once: nothing reads from the first while the
  // others are made, and the server soon asks for a sign of life.
  absl::StatusOr<std::shared_ptr<PreferredSession>> Open() override {
    const auto streams = static_cast<size_t>(options_.transport.bulk_streams);
    const absl::Time enough = SteadyNow() + kAskPatience;
    std::vector<BulkOffer> offers;
    absl::Status missing;
    while (offers.size() < streams && missing.ok()) {
      absl::StatusOr<BulkOffer> offer = asker_->Ask();
      if (offer.ok()) {
        offers.push_back(*std::move(offer));
      } else if (offers.empty()) {
        return offer.status();
      } else {
        missing = offer.status();
      }
      if (offers.size() < streams && SteadyNow() > enough) {
        missing = absl::DeadlineExceededError("the server answers slowly");
      }
    }
    std::vector<absl::StatusOr<std::shared_ptr<PreferredSession>>> opened(
        offers.size(), absl::UnknownError(""));
    const auto open = [&](size_t i) {
      opened[i] = BulkSession::Open(offers[i], options_, cancel_.get());
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < offers.size(); ++i) threads.emplace_back(open, i);
    open(0);
    for (std::thread& thread : threads) thread.join();

    std::vector<std::shared_ptr<PreferredSession>> sessions;
    for (auto& session : opened) {
      if (session.ok()) {
        sessions.push_back(*std::move(session));
      } else {
        missing = session.status();
      }
    }
    if (sessions.empty()) return missing;
    if (!missing.ok() && !cancelled_) {
      LOG(WARNING) << "only " << sessions.size() << " of " << streams
                   << " bulk streams: " << missing.message();
    }
    if (sessions.size() == 1) return sessions.front();
    return std::make_shared<SpreadSession>(std::move(sessions));
  }
  void Cancel() override {
    cancelled_ = true;
    const uint64_t one = 1;
    // It is never read, so that it stays readable.
    [[maybe_unused]] const ssize_t n = write(cancel_.get(), &one, sizeof(one));
    asker_->Cancel();
  }

 private:
  const std::unique_ptr<BulkAsker> asker_;
  const BulkSessionOptions options_;
  const Fd cancel_;  // An eventfd.
  std::atomic<bool> cancelled_ = false;
};

absl::StatusCode CodeOf(uint32_t status) {
  const bool known =
      status <= static_cast<uint32_t>(absl::StatusCode::kUnauthenticated);
  return known ? static_cast<absl::StatusCode>(status)
               : absl::StatusCode::kUnknown;
}

std::string TextOf(const Payload& message) {
  std::string text(static_cast<size_t>(message.size()), '\0');
  message.CopyTo(std::as_writable_bytes(std::span<char>(text)));
  return text;
}

// The server speaks TLS there, and is one.
absl::StatusOr<std::unique_ptr<BulkSocket>> ShakeHands(Fd socket,
                                                       TlsContext* tls,
                                                       int cancel) {
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<SSL_CTX> context, tls->Get());
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<TlsSocket> shaking,
                       TlsSocket::Make(std::move(socket), std::move(context),
                                       TlsSocket::Side::kClient));
  EBB_RETURN_IF_ERROR(
      shaking->FinishHandshake(SteadyNow() + 2 * kBulkTlsPatience, cancel));
  EBB_ASSIGN_OR_RETURN(const Certificate shown, shaking->Peer());
  if (shown.role.ok() && *shown.role == Role::kServer) return shaking;
  return absl::PermissionDeniedError(absl::StrCat(
      "what answers at the bulk port is no ps: ",
      shown.role.ok() ? absl::StrCat("its certificate is of the role ",
                                     RoleName(*shown.role))
                      : std::string(shown.role.status().message())));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionOpener>> MakeBulkOpener(
    std::unique_ptr<BulkAsker> asker, BulkSessionOptions options) {
  Fd cancel(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!cancel) return absl::ErrnoToStatus(errno, "no eventfd can be made");
  return std::make_unique<BulkOpener>(std::move(asker), std::move(options),
                                      std::move(cancel));
}

absl::StatusOr<std::shared_ptr<PreferredSession>> BulkSession::Open(
    const BulkOffer& offer, const BulkSessionOptions& options, int cancel) {
  const TransportOptions& transport = options.transport;
  absl::StatusOr<Fd> connected =
      ConnectTcp(offer.host, offer.port, transport.connect_timeout, cancel);
  if (!connected.ok()) {
    // gRPC has just reached this host, so a firewall is likely.
    return absl::FailedPreconditionError(
        absl::StrCat("port ", offer.port, " of ", offer.host,
                     " is out of reach: ", connected.status().message(),
                     "; let it pass (--bulk-port), or use --bulk off"));
  }
  SetUpTcp(connected->get(), transport.keepalive_time,
           transport.keepalive_timeout);
  BulkGreeting greeting;
  if (offer.token.size() != greeting.token.size()) {
    return absl::InternalError("the server's token is malformed");
  }
  std::copy(offer.token.begin(), offer.token.end(), greeting.token.begin());
  std::unique_ptr<BulkSocket> socket;
  if (options.tls == nullptr) {
    socket = MakePlainSocket(*std::move(connected));
  } else {
    EBB_ASSIGN_OR_RETURN(
        socket, ShakeHands(*std::move(connected), options.tls.get(), cancel));
  }
  EBB_RETURN_IF_ERROR(
      SendAll(socket.get(),
              {reinterpret_cast<const char*>(&greeting), sizeof(greeting)}));
  BulkHello hello;
  EBB_RETURN_IF_ERROR(ReceiveAll(socket.get(), reinterpret_cast<char*>(&hello),
                                 sizeof(hello), SteadyNow() + 2 * kBulkPatience,
                                 cancel));
  if (hello.magic != kBulkMagic || hello.version != kBulkVersion ||
      hello.most_bytes < 0) {
    return absl::InternalError("the server's greeting is malformed");
  }
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<BulkStream> stream,
      BulkStream::Make(std::move(socket),
                       BulkMemory::Make(transport.max_assembled_bytes,
                                        kKeptBytes / transport.bulk_streams),
                       {.keepalive_time = transport.keepalive_time,
                        .keepalive_timeout = transport.keepalive_timeout}));
  return std::make_shared<BulkSession>(
      std::move(stream),
      std::min(hello.most_bytes, transport.max_assembled_bytes), options.guard,
      options.sent_keys);
}

BulkSession::BulkSession(std::unique_ptr<BulkStream> stream, int64_t most_bytes,
                         Guard guard, std::shared_ptr<SentKeys> sent_keys)
    : stream_(std::move(stream)),
      most_bytes_(most_bytes),
      guard_(std::move(guard)),
      sent_keys_(std::move(sent_keys)) {}

bool BulkSession::Start(BulkOutgoing message, BulkStream::Order order,
                        Call* call) {
  if (message.message.size() > most_bytes_) return false;
  message.until = call->deadline;
  {
    MutexLock lock(&mu_);
    if (closed_ || stopping_ || calls_.size() >= kMostCalls) return false;
    message.id = next_id_++;
    next_deadline_ = std::min(next_deadline_, call->deadline);
    calls_[message.id] = std::move(*call);
  }
  // If it cannot be sent the connection ends, and with it the call.
  stream_->Send(std::move(message), order);
  return true;
}

bool BulkSession::Push(PushRequest* request, absl::Time deadline,
                       PsChannel::PushDone* done) {
  NamedKeys named = sent_keys_->NamesFor(*request);
  Payload message = Encode(*request, named);
  // With its keys it must be possible here, too.
  const int64_t whole_bytes = message.size() + KeyBytes(*request) +
                              16 * static_cast<int64_t>(named.size());
  if (!named.empty() && whole_bytes > most_bytes_) {
    named.clear();
    message = Encode(*request);
  }
  std::string token = guard_.ShownWith(*request);
  Call call = {.deadline = deadline, .done = std::move(*done)};
  if (!named.empty()) call.whole = *request;
  // One that waits for another is held by the server: they keep their order.
  if (!Start({.kind = kBulkPush,
              .token = std::move(token),
              .message = std::move(message)},
             BulkStream::Order::kInOrder, &call)) {
    *done = std::move(std::get<PsChannel::PushDone>(call.done));
    return false;
  }
  CountSentKeys(*request, named, guard_.keys.get());
  *request = {};
  return true;
}

void BulkSession::SendAgain(Call call) {
  sent_keys_->Forget();
  CountSentKeys(*call.whole, {}, guard_.keys.get());
  if (guard_.keys != nullptr) guard_.keys->CountUnknown();
  BulkOutgoing message = {.kind = kBulkPush,
                          .token = guard_.ShownWith(*call.whole),
                          .message = Encode(*call.whole)};
  call.whole.reset();
  // Later pushes wait for it at the server.
  if (Start(std::move(message), BulkStream::Order::kInOrder, &call)) return;
  EndCall(&call.done, absl::UnavailableError(
                          "the push cannot be sent again with its keys"));
}

bool BulkSession::Pull(const PullRequest& request, absl::Time deadline,
                       PsChannel::PullDone* done) {
  // Whatever is asked for comes in one message.
  if (request.expected_bytes > most_bytes_) return false;
  Call call = {.deadline = deadline, .done = std::move(*done)};
  // An evaluation pushes nothing.
  if (request.snapshot == 0) call.lists = KeyLists::Of(request);
  const bool keep = !call.lists.empty();
  if (Start({.kind = kBulkPull,
             .token = guard_.ShownWith(request),
             .message = Encode(request, keep)},
            BulkStream::Order::kBySize, &call)) {
    return true;
  }
  *done = std::move(std::get<PsChannel::PullDone>(call.done));
  return false;
}

bool BulkSession::Clock(const ClockUpdate& update) {
  {
    MutexLock lock(&mu_);
    if (closed_ || stopping_) return false;
  }
  return stream_->Send({.kind = kBulkClock,
                        .token = guard_.ShownWith(update),
                        .message = Encode(update)},
                       BulkStream::Order::kBySize);
}

bool BulkSession::Fetch(const FetchRequest& request, absl::Time deadline,
                        PsChannel::FetchDone* done) {
  Call call = {.deadline = deadline, .done = std::move(*done)};
  if (Start({.kind = kBulkFetch, .message = Encode(request)},
            BulkStream::Order::kBySize, &call)) {
    return true;
  }
  *done = std::move(std::get<PsChannel::FetchDone>(call.done));
  return false;
}

void BulkSession::Run(const Elsewhere&) {
  const absl::Status why =
      stream_->Run([this](const BulkMessage& reply) { return Handle(reply); },
                   [this] { return Expire(); });
  if (absl::IsInvalidArgument(why)) {
    LOG(WARNING) << "a server's bulk stream ends: " << why.message();
  }
  MutexLock lock(&mu_);
  in_order_ = absl::IsOutOfRange(why) || (why.ok() && !stopped_);
}

void BulkSession::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
  }
  stream_->Wake();
}

void BulkSession::StopWhenIdle() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  stream_->Wake();
}

bool BulkSession::EndedInOrder() const {
  MutexLock lock(&mu_);
  return in_order_;
}

void BulkSession::Close(const absl::Status& status) {
  absl::flat_hash_map<uint64_t, Call> calls;
  {
    MutexLock lock(&mu_);
    closed_ = true;
    calls.swap(calls_);
  }
  for (auto& [id, call] : calls) EndCall(&call.done, status);
}

bool BulkSession::Handle(const BulkMessage& reply) {
  if (reply.kind != kBulkReply) return false;
  Call call;
  {
    MutexLock lock(&mu_);
    const auto it = calls_.find(reply.id);
    if (it == calls_.end()) return true;  // Too late.
    call = std::move(it->second);
    calls_.erase(it);
  }
  if (!reply.refused.ok()) {
    EndCall(&call.done, reply.refused);
  } else if (CodeOf(reply.status) == absl::StatusCode::kAborted &&
             call.whole.has_value()) {
    SendAgain(std::move(call));
  } else if (reply.status != 0) {
    EndCall(&call.done,
            absl::Status(CodeOf(reply.status), TextOf(reply.message)));
  } else if (auto* push = std::get_if<PsChannel::PushDone>(&call.done)) {
    (*push)(DecodePushReply(reply.message));
  } else if (auto* pull = std::get_if<PsChannel::PullDone>(&call.done)) {
    uint64_t number = 0;
    absl::StatusOr<PullReply> pulled = DecodePullReply(reply.message, &number);
    if (pulled.ok()) sent_keys_->Kept(*pulled, number, std::move(call.lists));
    (*pull)(std::move(pulled));
  } else if (auto* fetch = std::get_if<PsChannel::FetchDone>(&call.done)) {
    (*fetch)(DecodeFetchReply(reply.message));
  }
  return true;
}

std::optional<absl::Time> BulkSession::Expire() {
  std::vector<Call> late;
  absl::Time next;
  {
    MutexLock lock(&mu_);
    if (stopped_ || (stopping_ && calls_.empty())) return std::nullopt;
    // It reads the time only if it must.
    if (next_deadline_ == absl::InfiniteFuture()) return next_deadline_;
    const absl::Time now = SteadyNow();
    if (now < next_deadline_) return next_deadline_;
    next_deadline_ = absl::InfiniteFuture();
    for (auto it = calls_.begin(); it != calls_.end();) {
      if (it->second.deadline > now) {
        next_deadline_ = std::min(next_deadline_, it->second.deadline);
        ++it;
        continue;
      }
      late.push_back(std::move(it->second));
      calls_.erase(it++);
    }
    next = next_deadline_;
  }
  for (Call& call : late) EndCall(&call.done, NoAnswerInTime());
  return next;
}

}  // namespace ebb::rpc::internal
