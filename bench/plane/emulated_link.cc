#include "bench/plane/emulated_link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <deque>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"

namespace ebb::bench {

struct EmulatedLink::Board {
  std::atomic<int64_t> bits_per_second{0};
  std::atomic<int64_t> round_trip_ns{0};
  std::atomic<double> loss{0};
  std::atomic<int64_t> packets{0};
  std::atomic<int64_t> dropped{0};
};

namespace {

// A packet of 64 KiB, and the header that the device puts before it.
constexpr size_t kMostPacket = (size_t{64} << 10) + 64;
// Packets on their way, in each direction: the queue, and 10 ms at 25 Gbit/s.
constexpr size_t kArenaBytes = size_t{64} << 20;
// Packets that the device keeps for the carrying process.
constexpr int kDeviceQueue = 10'000;
// Reads one after the other before packets that are due are looked at.
constexpr int kMostReads = 8;

int64_t NowNanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

absl::Status Failed(absl::string_view what) {
  if (errno == EPERM || errno == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(what, ": ", std::strerror(errno),
                     "; an emulated link needs root: run it with sudo"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(what, ": ", std::strerror(errno)));
}

Fd PresentNetwork() {
  return Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

absl::Status SetFlag(int socket, ifreq* request, int16_t flags) {
  if (ioctl(socket, SIOCGIFFLAGS, request) != 0) {
    return Failed("a network device cannot be read");
  }
  request->ifr_flags = static_cast<int16_t>(request->ifr_flags | flags);
  if (ioctl(socket, SIOCSIFFLAGS, request) != 0) {
    return Failed("a network device cannot be brought up");
  }
  return absl::OkStatus();
}

absl::Status SetAddress(int socket, ifreq* request, unsigned long what,
                        const char* address) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  inet_pton(AF_INET, address, &to.sin_addr);
  std::memcpy(&request->ifr_addr, &to, sizeof(to));
  if (ioctl(socket, what, request) == 0) return absl::OkStatus();
  return Failed(absl::StrCat("a device cannot have the address ", address));
}

// A TUN device of the present namespace, and its loopback.
absl::StatusOr<Fd> MakeDevice(const char* address) {
  Fd device(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!device) {
    return Failed(
        "/dev/net/tun cannot be opened (it needs the kernel module tun)");
  }
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  std::strncpy(request.ifr_name, "link", IFNAMSIZ - 1);
  if (ioctl(device.get(), TUNSETIFF, &request) != 0) {
    return Failed("no TUN device can be made");
  }
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any) return Failed("no socket can be made");
  EBB_RETURN_IF_ERROR(SetAddress(any.get(), &request, SIOCSIFADDR, address));
  EBB_RETURN_IF_ERROR(
      SetAddress(any.get(), &request, SIOCSIFNETMASK, "255.255.255.0"));
  request.ifr_qlen = kDeviceQueue;
  if (ioctl(any.get(), SIOCSIFTXQLEN, &request) != 0) {
    return Failed("a device cannot have a longer queue");
  }
  EBB_RETURN_IF_ERROR(SetFlag(any.get(), &request, IFF_UP | IFF_RUNNING));
  ifreq loopback = {};
  std::strncpy(loopback.ifr_name, "lo", IFNAMSIZ - 1);
  EBB_RETURN_IF_ERROR(SetFlag(any.get(), &loopback, IFF_UP | IFF_RUNNING));
  return device;
}

// One direction: reads packets, and writes each when it is due.
class Carrier {
 public:
  Carrier(int from, int to, uint64_t seed, std::atomic<int64_t>* packets,
          std::atomic<int64_t>* dropped)
      : from_(from),
        to_(to),
        packets_(packets),
        dropped_(dropped),
        schedule_(EmulatedLink::kQueueBytes, seed),
        arena_(kArenaBytes),
        spare_(kMostPacket) {}

  // Until the process is killed; `shape` is asked for each packet.
  template <typename Shape>
  [[noreturn]] void Run(const Shape& shape) {
    // A sleep may end 50 us late otherwise.
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    while (true) {
      Deliver(NowNanoseconds());
      bool all = false;
      for (int i = 0; i < kMostReads && !all; ++i) all = !ReadOne(shape());
      if (all) Await();
    }
  }

 private:
  struct Packet {
    int64_t due_ns = 0;
    size_t begin = 0;
    size_t size = 0;
  };

  // Returns the place of the next packet; null: there is no room.
  std::byte* Room() {
    if (packets_on_way_.empty()) {
      next_ = 0;
    } else if (next_ + kMostPacket > arena_.size() &&
               packets_on_way_.front().begin < next_) {
      next_ = 0;
    }
    if (next_ + kMostPacket > arena_.size()) return nullptr;
    if (!packets_on_way_.empty()) {
      const size_t first = packets_on_way_.front().begin;
      if (first >= next_ && first < next_ + kMostPacket) return nullptr;
    }
    return arena_.data() + next_;
  }

  // False: there is none now.
  bool ReadOne(const LinkShape& shape) {
    std::byte* const room = Room();
    std::byte* const to = room == nullptr ? spare_.data() : room;
    const ssize_t n = read(from_, to, kMostPacket);
    if (n <= 0) return false;
    const auto due = schedule_.Enter(shape, NowNanoseconds(), n);
    if (!due || room == nullptr) {
      dropped_->fetch_add(1, std::memory_order_relaxed);
      return true;
    }
    packets_on_way_.push_back({*due, next_, static_cast<size_t>(n)});
    next_ += static_cast<size_t>(n);
    return true;
  }

  void Deliver(int64_t now_ns) {
    while (!packets_on_way_.empty() &&
           packets_on_way_.front().due_ns <= now_ns) {
      const Packet& packet = packets_on_way_.front();
      const ssize_t n = write(to_, arena_.data() + packet.begin, packet.size);
      (n > 0 ? packets_ : dropped_)->fetch_add(1, std::memory_order_relaxed);
      packets_on_way_.pop_front();
    }
  }

  // For a packet, or until one is due.
  void Await() const {
    pollfd polled = {.fd = from_, .events = POLLIN, .revents = 0};
    if (packets_on_way_.empty()) {
      poll(&polled, 1, -1);
      return;
    }
    const int64_t left = packets_on_way_.front().due_ns - NowNanoseconds();
    if (left <= 0) return;
    const timespec limit = {.tv_sec = left / 1'000'000'000,
                            .tv_nsec = left % 1'000'000'000};
    ppoll(&polled, 1, &limit, nullptr);
  }

  const int from_, to_;
  std::atomic<int64_t>* const packets_;
  std::atomic<int64_t>* const dropped_;
  LinkSchedule schedule_;
  std::vector<std::byte> arena_;
  std::vector<std::byte> spare_;  // For a packet that is dropped.
  size_t next_ = 0;
  std::deque<Packet> packets_on_way_;  // In the order of the arena, which ends
                                       // where it begins.
};

}  // namespace

absl::Status InNetwork(int network, absl::FunctionRef<absl::Status()> f) {
  if (network < 0) return f();
  const Fd back = PresentNetwork();
  if (!back || setns(network, CLONE_NEWNET) != 0) {
    return absl::InternalError("a network namespace cannot be entered");
  }
  absl::Status status = f();
  if (setns(back.get(), CLONE_NEWNET) != 0) {
    return absl::InternalError("a network namespace cannot be left");
  }
  return status;
}

EmulatedLink::EmulatedLink(Fd home, Fd far, Fd near_device, Fd far_device,
                           Board* board)
    : home_(std::move(home)),
      far_(std::move(far)),
      near_device_(std::move(near_device)),
      far_device_(std::move(far_device)),
      board_(board) {}

absl::StatusOr<std::unique_ptr<EmulatedLink>> EmulatedLink::Make() {
  Fd home = PresentNetwork();
  if (!home || unshare(CLONE_NEWNET) != 0) {
    return Failed("no network namespace can be made");
  }
  // Back again, whatever fails.
  const auto make = [&]() -> absl::StatusOr<std::unique_ptr<EmulatedLink>> {
    EBB_ASSIGN_OR_RETURN(Fd far_device, MakeDevice(kFar));
    Fd far = PresentNetwork();
    if (!far || unshare(CLONE_NEWNET) != 0) {
      return Failed("no second network namespace can be made");
    }
    EBB_ASSIGN_OR_RETURN(Fd near_device, MakeDevice(kNear));
    void* const memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return Failed("there is no memory");
    std::unique_ptr<EmulatedLink> link(new EmulatedLink(
        std::move(home), std::move(far), std::move(near_device),
        std::move(far_device), new (memory) Board));
    EBB_RETURN_IF_ERROR(link->SetShape({}));
    const pid_t parent = getpid();
    link->carrier_ = fork();
    if (link->carrier_ < 0) return Failed("no process can be started");
    if (link->carrier_ > 0) return link;
    if (!DieWithParent(parent).ok()) _exit(1);
    Board* const board = link->board_;
    const auto shape = [board] {
      return LinkShape{board->bits_per_second.load(std::memory_order_relaxed),
                       board->round_trip_ns.load(std::memory_order_relaxed),
                       board->loss.load(std::memory_order_relaxed)};
    };
    const int near = link->near_device_.get(),
              far_end = link->far_device_.get();
    std::thread back([&] {
      Carrier(far_end, near, 2, &board->packets, &board->dropped).Run(shape);
    });
    Carrier(near, far_end, 1, &board->packets, &board->dropped).Run(shape);
  };
  auto link = make();
  // Otherwise `home` is the link's, whose destructor goes back.
  if (!link.ok() && home) setns(home.get(), CLONE_NEWNET);
  return link;
}

EmulatedLink::~EmulatedLink() {
  if (carrier_ > 0) {
    kill(carrier_, SIGKILL);
    waitpid(carrier_, nullptr, 0);
  }
  munmap(board_, sizeof(Board));
  setns(home_.get(), CLONE_NEWNET);
}

absl::Status EmulatedLink::SetShape(const LinkShape& shape) {
  const unsigned long whole = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  for (const Fd* device : {&near_device_, &far_device_}) {
    if (ioctl(device->get(), TUNSETOFFLOAD, shape.loss > 0 ? 0 : whole) != 0) {
      return absl::UnavailableError(absl::StrCat(
          "a TUN device cannot pass packets so: ", std::strerror(errno)));
    }
  }
  board_->bits_per_second = shape.bits_per_second;
  board_->round_trip_ns = shape.round_trip_ns;
  board_->loss = shape.loss;
  return absl::OkStatus();
}

absl::Status EmulatedLink::SetMostWindow(int64_t bytes) {
  // The system's has the same form: the least, the first and the most bytes.
  const std::string text = absl::StrCat("4096 131072 ", bytes);
  const auto set = [&]() -> absl::Status {
    for (const char* name : {"tcp_rmem", "tcp_wmem"}) {
      const std::string path = absl::StrCat("/proc/sys/net/ipv4/", name);
      const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
      if (!file || write(file.get(), text.data(), text.size()) !=
                       static_cast<ssize_t>(text.size())) {
        return absl::UnavailableError(
            absl::StrCat(path, " cannot be set: ", std::strerror(errno)));
      }
    }
    return absl::OkStatus();
  };
  EBB_RETURN_IF_ERROR(set());
  return InNetwork(far_.get(), set);
}

EmulatedLink::Counts EmulatedLink::counts() const {
  return {board_->packets.load(), board_->dropped.load()};
}

}  // namespace ebb::bench
