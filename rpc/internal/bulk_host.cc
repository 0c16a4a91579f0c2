#include "rpc/internal/bulk_host.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/tls/certificate.h"
#include "glog/logging.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/rpc_roles.h"

namespace ebb::rpc::internal {

namespace {

constexpr size_t kMostConnections = 256;
// Connections without a complete greeting; others wait to be accepted.
constexpr size_t kMostGuests = 64;
constexpr int kReapMilliseconds = 200;
// The roles that may call this may connect (rpc_roles.h).
constexpr char kOpenBulkStream[] = "/ebb.v1.BulkStream/OpenBulkStream";

}  // namespace

absl::StatusOr<std::unique_ptr<BulkHost>> BulkHost::Start(
    const CallServices& services, const BulkHostOptions& options) {
  int port = options.port;
  EBB_ASSIGN_OR_RETURN(Fd listening, ListenTcp(options.host, &port));
  Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return absl::UnavailableError("no eventfd can be made");
  std::unique_ptr<BulkHost> host(new BulkHost(
      services, options, port, std::move(listening), std::move(stop)));
  return host;
}

BulkHost::BulkHost(const CallServices& services, const BulkHostOptions& options,
                   int port, Fd listening, Fd stop)
    : services_(services),
      options_(options),
      memory_(BulkMemory::Make(options.room_bytes, options.kept_bytes)),
      port_(port),
      listening_(std::move(listening)),
      stop_(std::move(stop)),
      accepting_([this] { Accept(); }) {}

BulkHost::~BulkHost() { Stop(absl::InfinitePast()); }

absl::Status BulkHost::HasRoom() const {
  if (served_.size() < kMostConnections) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the server has ", served_.size(), " bulk streams, and takes no more"));
}

absl::StatusOr<std::string> BulkHost::Offer(uint32_t version,
                                            absl::string_view name) {
  if (version != kBulkVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "bulk streams are of version ", kBulkVersion, " here, not ", version));
  }
  EBB_RETURN_IF_ERROR(HasRoom());
  return offers_.Make(options_.tls == nullptr ? "" : name);
}

void BulkHost::Accept() {
  std::vector<Guest> guests;
  std::vector<pollfd> polled;
  while (true) {
    polled.clear();
    polled.push_back({.fd = stop_.get(), .events = POLLIN, .revents = 0});
    polled.push_back({.fd = guests.size() < kMostGuests ? listening_.get() : -1,
                      .events = POLLIN,
                      .revents = 0});
    for (const Guest& guest : guests) {
      polled.push_back(
          {.fd = guest.socket->fd(), .events = guest.events, .revents = 0});
    }
    poll(polled.data(), polled.size(), kReapMilliseconds);
    served_.Reap();
    if ((polled[0].revents & POLLIN) != 0) return;
    const absl::Time now = SteadyNow();
    std::vector<Guest> left;
    for (size_t i = 0; i < guests.size(); ++i) {
      const bool says = polled[i + 2].revents != 0;
      const bool stays = says ? Hear(&guests[i]) : now < guests[i].until;
      if (stays) left.push_back(std::move(guests[i]));
    }
    guests = std::move(left);
    if ((polled[1].revents & POLLIN) == 0) continue;
    if (Fd socket = AcceptTcp(listening_.get())) {
      absl::StatusOr<Guest> guest = Receive(std::move(socket));
      if (guest.ok()) {
        guests.push_back(*std::move(guest));
      } else {
        LOG_EVERY_T(WARNING, 1) << "no process can open a bulk stream: "
                                << guest.status().message();
      }
    }
  }
}

absl::StatusOr<BulkHost::Guest> BulkHost::Receive(Fd socket) {
  SetUpTcp(socket.get(), options_.stream.keepalive_time,
           options_.stream.keepalive_timeout);
  const absl::Time now = SteadyNow();
  if (options_.tls == nullptr) {
    return Guest{.socket = MakePlainSocket(std::move(socket)),
                 .until = now + kBulkPatience};
  }
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<SSL_CTX> context, options_.tls->Get());
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<TlsSocket> made,
      TlsSocket::Make(std::move(socket), std::move(context),
                      TlsSocket::Side::kServer, options_.tls_key_bytes));
  TlsSocket* const shaking = made.get();
  return Guest{.socket = std::move(made),
               .until = now + kBulkTlsPatience,
               .shaking = shaking};
}

bool BulkHost::Hear(Guest* guest) {
  const absl::StatusOr<bool> stays = HearOf(guest);
  if (stays.ok()) return *stays && SteadyNow() < guest->until;
  // A stranger must not fill the disk.
  LOG_EVERY_T(WARNING, 1) << "a process got no bulk stream: "
                          << stays.status().message();
  return false;
}

absl::StatusOr<bool> BulkHost::HearOf(Guest* guest) {
  EBB_ASSIGN_OR_RETURN(const bool shook, Shake(guest));
  if (!shook) return true;
  const iovec space = {guest->bytes.data() + guest->got,
                       guest->bytes.size() - guest->got};
  const absl::StatusOr<size_t> n = guest->socket->Read({&space, 1});
  if (!n.ok()) return false;  // It has left.
  guest->got += *n;
  if (guest->got < guest->bytes.size()) return true;
  EBB_RETURN_IF_ERROR(Welcome(guest));
  return false;
}

absl::StatusOr<bool> BulkHost::Shake(Guest* guest) {
  if (guest->shaking == nullptr) return true;
  const absl::StatusOr<TlsSocket::Step> step = guest->shaking->Handshake();
  if (!step.ok()) {
    services_.guard.Count(Refusal::kHandshake);
    return step.status();
  }
  const bool writes = *step == TlsSocket::Step::kAwaitsWrite;
  guest->events = static_cast<int16_t>(writes ? POLLOUT : POLLIN);
  if (*step != TlsSocket::Step::kDone) return false;
  EBB_ASSIGN_OR_RETURN(const Certificate shown, guest->shaking->Peer());
  absl::Status may = CheckCaller(kOpenBulkStream, shown.role, shown.name);
  if (!may.ok()) {
    services_.guard.Count(Refusal::kRole);
    return may;
  }
  guest->peer = {*shown.role, shown.name};
  guest->shaking = nullptr;
  return true;
}

absl::Status BulkHost::Welcome(Guest* guest) {
  BulkGreeting greeting;
  std::memcpy(&greeting, guest->bytes.data(), sizeof(greeting));
  if (greeting.magic != kBulkMagic || greeting.version != kBulkVersion) {
    return absl::InvalidArgumentError("its greeting is malformed");
  }
  EBB_RETURN_IF_ERROR(offers_.Take(
      {greeting.token.data(), greeting.token.size()}, guest->peer.name));
  EBB_RETURN_IF_ERROR(HasRoom());
  const BulkHello hello = {
      .most_bytes = std::min(services_.most_bytes, memory_->room_bytes())};
  EBB_RETURN_IF_ERROR(
      SendAll(guest->socket.get(),
              {reinterpret_cast<const char*>(&hello), sizeof(hello)}));
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<BulkStream> stream,
      BulkStream::Make(std::move(guest->socket), memory_, options_.stream,
                       BulkConnection::Admission(services_, guest->peer)));
  auto connection = std::make_shared<BulkConnection>(
      services_, std::move(stream), std::move(guest->peer));
  served_.Add(std::move(connection));
  return absl::OkStatus();
}

void BulkHost::Stop(absl::Time until) {
  if (!accepting_.joinable()) return;
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof(one)) != sizeof(one)) {
    LOG(FATAL) << "an eventfd that was never written to is full";
  }
  accepting_.join();
  served_.End(until);
}

}  // namespace ebb::rpc::internal
