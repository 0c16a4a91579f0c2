#include "bench/plane/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"

namespace ebb::bench {

// Tells the server what to do before each series of messages.
struct RawSocket::Order {
  enum Kind : int64_t { kPush, kPull, kPing };
  int64_t kind = kPush;
  int64_t bytes = 0;
  int64_t operations = 0;
  int64_t in_flight = 1;
  int64_t write_bytes = 0;
};

namespace {

using Clock = std::chrono::steady_clock;

bool WriteInPieces(RawWire* wire, std::span<const std::byte> bytes,
                   int64_t piece) {
  while (!bytes.empty()) {
    const auto n = std::min(bytes.size(), static_cast<size_t>(piece));
    if (!wire->WriteAll(bytes.first(n))) return false;
    bytes = bytes.subspan(n);
  }
  return true;
}

bool ReadByte(RawWire* wire) {
  std::byte byte{};
  return wire->ReadAll({&byte, 1});
}
bool WriteByte(RawWire* wire) {
  const std::byte byte{};
  return wire->WriteAll({&byte, 1});
}

void SendAtOnce(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

absl::Status Broken() {
  return absl::UnavailableError("the raw socket's server is gone");
}

// A listening socket, and where.
absl::StatusOr<int> Listen(const std::string& host, sockaddr_in* address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  *address = {};
  address->sin_family = AF_INET;
  inet_pton(AF_INET, host.c_str(), &address->sin_addr);
  socklen_t size = sizeof(*address);
  if (fd < 0 ||
      bind(fd, reinterpret_cast<sockaddr*>(address), sizeof(*address)) != 0 ||
      listen(fd, 1) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(address), &size) != 0) {
    const absl::Status status =
        absl::ErrnoToStatus(errno, absl::StrCat("cannot listen at ", host));
    if (fd >= 0) close(fd);
    return status;
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RawSocket>> RawSocket::Start(
    const TlsFiles& server, const TlsFiles& worker, const Place& place) {
  sockaddr_in address;
  int listener = -1;
  // Its connections are of its network.
  EBB_RETURN_IF_ERROR(InNetwork(place.network, [&]() -> absl::Status {
    EBB_ASSIGN_OR_RETURN(listener, Listen(place.host, &address));
    return absl::OkStatus();
  }));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    if (!DieWithParent(parent).ok()) _exit(1);
    Serve(accept(listener, nullptr, nullptr), server);
    _exit(0);
  }
  close(listener);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (child < 0 || fd < 0 ||
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
          0) {
    const absl::Status status =
        absl::ErrnoToStatus(errno, "cannot start the raw socket's server");
    if (fd >= 0) close(fd);
    if (child > 0) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    return status;
  }
  SendAtOnce(fd);
  std::unique_ptr<RawSocket> raw(new RawSocket(fd, child));
  if (!worker.none()) {
    EBB_RETURN_IF_ERROR(raw->wire_.StartTls(worker, /*server=*/false));
  }
  return raw;
}

RawSocket::~RawSocket() {
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
}

// --- The server --------------------------------------------------------------

// Until the other side closes.
void RawSocket::Serve(int fd, const TlsFiles& tls) {
  SendAtOnce(fd);
  RawWire wire(fd);
  if (!tls.none() && !wire.StartTls(tls, /*server=*/true).ok()) return;
  std::map<int64_t, AlignedFloats> models;
  Order order;
  while (wire.ReadAll(std::as_writable_bytes(std::span(&order, 1)))) {
    const auto floats = static_cast<size_t>(order.bytes) / sizeof(float);
    AlignedFloats& model =
        models.try_emplace(order.bytes, floats).first->second;
    const std::span<float> weights = model.span();
    const size_t piece = order.write_bytes / sizeof(float);
    AlignedFloats piece_floats(piece);
    const std::span<float> buffer = piece_floats.span();
    bool good = WriteByte(&wire);  // Ready.
    for (int64_t i = 0; good && i < order.operations; ++i) {
      if (order.kind == Order::kPull) {
        good = ReadByte(&wire) &&
               WriteInPieces(&wire, std::as_bytes(weights), order.write_bytes);
        continue;
      }
      for (size_t at = 0; good && at < floats; at += piece) {
        const auto part = buffer.first(std::min(piece, floats - at));
        good = wire.ReadAll(std::as_writable_bytes(part));
        if (order.kind == Order::kPush) {
          PlainSgd(weights.subspan(at, part.size()), part, kTransferRate);
        }
      }
      good = good && WriteByte(&wire);
    }
    if (!good) return;
  }
}

// --- The worker --------------------------------------------------------------

RawSocket::Model& RawSocket::ModelOf(int64_t bytes) {
  std::unique_ptr<Model>& model = models_[bytes];
  if (model == nullptr) {
    model = std::make_unique<Model>(bytes / sizeof(float));
    const std::span<float> gradient = model->gradient.span();
    for (size_t i = 0; i < gradient.size(); ++i) gradient[i] = GradientAt(i);
  }
  return *model;
}

// The server has what it needs when this returns.
absl::Status RawSocket::Begin(const Order& order) {
  if (wire_.WriteAll(std::as_bytes(std::span(&order, 1))) && ReadByte(&wire_)) {
    return absl::OkStatus();
  }
  return Broken();
}

absl::Status RawSocket::PushAll(const Order& order,
                                std::vector<double>* latencies) {
  Model& model = ModelOf(order.bytes);
  int64_t outstanding = 0;
  for (int64_t i = 0; i < order.operations; ++i) {
    const auto begun = Clock::now();
    if (!WriteInPieces(&wire_, model.gradient.bytes(), order.write_bytes)) {
      return Broken();
    }
    ++outstanding;
    const bool last = i + 1 == order.operations;
    while (outstanding > (last ? 0 : order.in_flight - 1)) {
      if (!ReadByte(&wire_)) return Broken();
      --outstanding;
    }
    if (order.in_flight == 1) {
      latencies->push_back(
          std::chrono::duration<double>(Clock::now() - begun).count());
    }
  }
  return absl::OkStatus();
}

absl::Status RawSocket::PullAll(const Order& order) {
  AlignedFloats& pulled = ModelOf(order.bytes).pulled;
  const std::span<std::byte> to = pulled.bytes();
  uint32_t sum = 0;
  int64_t asked = 0;
  for (int64_t i = 0; i < order.operations; ++i) {
    for (; asked < std::min(i + order.in_flight, order.operations); ++asked) {
      if (!WriteByte(&wire_)) return Broken();
    }
    sum = 0;
    for (size_t at = 0; at < to.size(); at += order.write_bytes) {
      const auto part =
          to.subspan(at, std::min<size_t>(order.write_bytes, to.size() - at));
      if (!wire_.ReadAll(part)) return Broken();
      sum += WordSum(part);
    }
  }
  return CheckPulled(order.bytes, sum);
}

absl::Status RawSocket::CheckPulled(int64_t bytes, uint32_t sum) {
  const uint32_t expected = SumAfter(ModelOf(bytes).pushes, bytes);
  if (sum == expected) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the raw socket pulled values whose sum is ", sum,
                   ", but must be ", expected));
}

absl::StatusOr<TransferSample> RawSocket::Run(const Transfer& transfer,
                                              int64_t write_bytes) {
  const bool push = transfer.direction == Direction::kPush;
  const Order order = {.kind = push ? Order::kPush : Order::kPull,
                       .bytes = transfer.bytes,
                       .operations = transfer.operations,
                       .in_flight = transfer.in_flight,
                       .write_bytes = std::min(write_bytes, transfer.bytes)};
  Model& model = ModelOf(transfer.bytes);
  EBB_RETURN_IF_ERROR(Begin(order));
  TransferSample sample;
  const double worker = CpuSeconds(0), server = CpuSeconds(server_);
  absl::Status status;
  sample.seconds = SecondsOf([&] {
    status = push ? PushAll(order, &sample.latencies) : PullAll(order);
  });
  sample.worker_cpu_seconds = CpuSeconds(0) - worker;
  sample.server_cpu_seconds = CpuSeconds(server_) - server;
  if (push) model.pushes += transfer.operations;
  EBB_RETURN_IF_ERROR(status);
  return sample;
}

absl::StatusOr<std::vector<double>> RawSocket::PingPong(int64_t bytes,
                                                        int64_t operations) {
  const Order order = {.kind = Order::kPing,
                       .bytes = bytes,
                       .operations = operations,
                       .write_bytes = bytes};
  EBB_RETURN_IF_ERROR(Begin(order));
  std::vector<double> seconds;
  EBB_RETURN_IF_ERROR(PushAll(order, &seconds));
  return seconds;
}

}  // namespace ebb::bench
