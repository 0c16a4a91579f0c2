#include "rpc/internal/shared_host.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/shm/shared_heap.h"
#include "common/shm/unix_socket.h"
#include "common/status_macros.h"
#include "glog/logging.h"

namespace ebb::rpc::internal {

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// Headers of pushes and pulls: a few hundred bytes each.
constexpr int64_t kUpRingBytes = kMiB / 4;
// Places of blocks: 24 bytes for each, of 64 KiB.
constexpr int64_t kDownRingBytes = 2 * kMiB;
// Twice what a worker has under way to a server (client/actions.h), so that
// what is read holds nothing up.
constexpr int64_t kAreaBytes = 32 * kMiB;
constexpr size_t kMostConnections = 64;
constexpr int kReapMilliseconds = 200;

}  // namespace

absl::StatusOr<std::unique_ptr<SharedHost>> SharedHost::Start(
    const SharedServices& services) {
  SharedHello hello;
  hello.up_ring_bytes = kUpRingBytes;
  hello.down_ring_bytes = kDownRingBytes;
  hello.up_area_bytes = kAreaBytes;
  // The name has no meaning, and no process can take it before.
  const std::string name =
      absl::StrCat("ebb-", absl::BytesToHexString(shm::RandomBytes(16)));
  EBB_ASSIGN_OR_RETURN(Fd listening, shm::ListenLocally(name));
  Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return absl::UnavailableError("no eventfd can be made");
  std::unique_ptr<SharedHost> host(new SharedHost(
      services, hello, name, std::move(listening), std::move(stop)));
  return host;
}

SharedHost::SharedHost(const SharedServices& services, SharedHello hello,
                       std::string name, Fd listening, Fd stop)
    : services_(services),
      hello_(hello),
      name_(std::move(name)),
      boot_id_(shm::BootId()),
      listening_(std::move(listening)),
      stop_(std::move(stop)),
      accepting_([this] { Accept(); }) {}

SharedHost::~SharedHost() { Stop(absl::InfinitePast()); }

absl::Status SharedHost::HasRoom() const {
  if (served_.size() < kMostConnections) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the server has ", served_.size(),
                   " connections through shared memory, and takes no more"));
}

absl::StatusOr<SharedOffer> SharedHost::Offer(uint32_t version,
                                              absl::string_view boot_id) {
  if (version != kSharedVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("shared memory is of version ", kSharedVersion,
                     " here, not ", version));
  }
  if (boot_id_.empty() || boot_id != boot_id_) {
    return absl::FailedPreconditionError("it is on another machine");
  }
  EBB_RETURN_IF_ERROR(HasRoom());
  EBB_ASSIGN_OR_RETURN(std::string token, offers_.Make());
  return SharedOffer{name_, std::move(token)};
}

void SharedHost::Accept() {
  while (true) {
    std::array<pollfd, 2> both = {
        pollfd{.fd = listening_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    poll(both.data(), both.size(), kReapMilliseconds);
    served_.Reap();
    if ((both[1].revents & POLLIN) != 0) return;
    if ((both[0].revents & POLLIN) == 0) continue;
    absl::StatusOr<Fd> socket = shm::AcceptLocally(listening_.get());
    if (!socket.ok()) continue;
    if (const absl::Status status = Welcome(*std::move(socket)); !status.ok()) {
      LOG(WARNING) << "a worker got no shared memory: " << status.message();
    }
  }
}

absl::Status SharedHost::Welcome(Fd socket) {
  EBB_ASSIGN_OR_RETURN(shm::Peer peer, shm::PeerOfSameUser(socket.get()));
  EBB_ASSIGN_OR_RETURN(const shm::Message first,
                       shm::ReceiveMessage(socket.get(), kSharedPatience));
  SharedGreeting greeting;
  if (first.bytes.size() != kSharedTokenBytes + sizeof(greeting)) {
    return absl::InvalidArgumentError("its greeting is none");
  }
  std::memcpy(&greeting, first.bytes.data() + kSharedTokenBytes,
              sizeof(greeting));
  const bool has_heap = greeting.heap_bytes != 0;
  if (greeting.heap_bytes < 0 ||
      greeting.heap_bytes > shm::SharedHeap::kMostBytes ||
      first.fds.size() != (has_heap ? 1 : 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has a heap of ", greeting.heap_bytes, " bytes in ",
                     first.fds.size(), " files"));
  }
  const absl::string_view named =
      absl::string_view(first.bytes).substr(0, kSharedTokenBytes);
  EBB_RETURN_IF_ERROR(offers_.Take(named));
  EBB_RETURN_IF_ERROR(HasRoom());
  shm::Mapping heap;
  if (has_heap) {
    EBB_ASSIGN_OR_RETURN(
        heap, shm::MapToRead(first.fds[0].get(), greeting.heap_bytes));
  }
  EBB_ASSIGN_OR_RETURN(
      std::shared_ptr<SharedConnection> connection,
      SharedConnection::Open(services_, std::move(socket), std::move(peer),
                             std::move(heap), hello_));
  LOG(INFO) << "worker_pid=" << connection->pid()
            << " uses shared memory, area=" << hello_.up_area_bytes;
  served_.Add(std::move(connection));
  return absl::OkStatus();
}

void SharedHost::Stop(absl::Time until) {
  if (!accepting_.joinable()) return;
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof(one)) != sizeof(one)) {
    LOG(FATAL) << "an eventfd that was never written to is full";
  }
  accepting_.join();
  served_.End(until);
}

}  // namespace ebb::rpc::internal
