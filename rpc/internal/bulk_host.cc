#include "rpc/internal/bulk_host.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "glog/logging.h"
#include "rpc/internal/tcp_socket.h"

namespace ebb::rpc::internal {

namespace {

constexpr size_t kMostConnections = 256;
// Connections without a complete greeting; others wait to be accepted.
constexpr size_t kMostGuests = 64;
constexpr int kReapMilliseconds = 200;

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

absl::StatusOr<std::string> BulkHost::Offer(uint32_t version) {
  if (version != kBulkVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "bulk streams are of version ", kBulkVersion, " here, not ", version));
  }
  EBB_RETURN_IF_ERROR(HasRoom());
  return offers_.Make();
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
          {.fd = guest.socket.get(), .events = POLLIN, .revents = 0});
    }
    poll(polled.data(), polled.size(), kReapMilliseconds);
    served_.Reap();
    if ((polled[0].revents & POLLIN) != 0) return;
    const absl::Time now = absl::Now();
    std::vector<Guest> left;
    for (size_t i = 0; i < guests.size(); ++i) {
      const bool says = polled[i + 2].revents != 0;
      const bool stays = says ? Hear(&guests[i]) : now < guests[i].until;
      if (stays) left.push_back(std::move(guests[i]));
    }
    guests = std::move(left);
    if ((polled[1].revents & POLLIN) == 0) continue;
    if (Fd socket = AcceptTcp(listening_.get())) {
      guests.push_back(
          {.socket = std::move(socket), .until = now + kBulkPatience});
    }
  }
}

bool BulkHost::Hear(Guest* guest) {
  const ssize_t n = recv(guest->socket.get(), guest->bytes.data() + guest->got,
                         guest->bytes.size() - guest->got, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) return false;
  guest->got += static_cast<size_t>(n);
  if (guest->got < guest->bytes.size()) return absl::Now() < guest->until;
  if (const absl::Status status = Welcome(guest); !status.ok()) {
    LOG(WARNING) << "a worker got no bulk stream: " << status.message();
  }
  return false;
}

absl::Status BulkHost::Welcome(Guest* guest) {
  BulkGreeting greeting;
  std::memcpy(&greeting, guest->bytes.data(), sizeof(greeting));
  if (greeting.magic != kBulkMagic || greeting.version != kBulkVersion) {
    return absl::InvalidArgumentError("its greeting is malformed");
  }
  EBB_RETURN_IF_ERROR(
      offers_.Take({greeting.token.data(), greeting.token.size()}));
  EBB_RETURN_IF_ERROR(HasRoom());
  SetUpTcp(guest->socket.get(), options_.stream.keepalive_time,
           options_.stream.keepalive_timeout);
  const BulkHello hello = {
      .most_bytes = std::min(services_.most_bytes, memory_->room_bytes())};
  EBB_RETURN_IF_ERROR(
      SendAllTcp(guest->socket.get(),
                 {reinterpret_cast<const char*>(&hello), sizeof(hello)}));
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<BulkStream> stream,
      BulkStream::Make(std::move(guest->socket), memory_, options_.stream));
  auto connection =
      std::make_shared<BulkConnection>(services_, std::move(stream));
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
