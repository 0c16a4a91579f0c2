#include "tools/chaos/internal/relay.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/chaos/proxy.h"

namespace ebb::chaos {

namespace {

constexpr uint32_t kBoth = EPOLLIN | EPOLLOUT;
constexpr size_t kScratchBytes = 64 << 10;
// So many are accepted before others have their turn.
constexpr size_t kAcceptBatch = 128;
// When descriptors are short.
constexpr absl::Duration kAcceptAgain = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<Relay>> Relay::Create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (epoll.get() < 0) return absl::ErrnoToStatus(errno, "epoll_create1");
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake.get() < 0) return absl::ErrnoToStatus(errno, "eventfd");
  std::unique_ptr<Relay> relay(new Relay(std::move(epoll), std::move(wake)));
  EBB_RETURN_IF_ERROR(relay->Watch(relay->wake_.get(), EPOLLIN, 0));
  return relay;
}

Relay::Relay(Fd epoll, Fd wake)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      scratch_(kScratchBytes),
      now_(SteadyNow()) {}

absl::Status Relay::Watch(int fd, uint32_t what, uint64_t event) {
  epoll_event interest = {};
  interest.events = what | EPOLLET;
  interest.data.u64 = event;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Relay::Front(const std::string& daemon,
                                         const std::string& target) {
  for (const auto& [id, front] : fronts_) {
    if (front.daemon == daemon) {
      return absl::AlreadyExistsError(
          absl::StrCat(daemon, " has a front: use SetTarget"));
    }
  }
  FrontDoor front{.daemon = daemon};
  EBB_ASSIGN_OR_RETURN(front.listening, ListenOnLoopback());
  EBB_ASSIGN_OR_RETURN(front.address, NameOf(front.listening.get()));
  const int port = front.address.port;
  const Id id = next_id_++;
  EBB_RETURN_IF_ERROR(Watch(front.listening.get(), EPOLLIN, id << 1));
  fronts_.emplace(id, std::move(front));
  if (absl::Status status = SetTarget(daemon, target); !status.ok()) {
    fronts_.erase(id);
    return status;
  }
  return absl::StrCat("127.0.0.1:", port);
}

absl::Status Relay::SetTarget(const std::string& daemon,
                              const std::string& target) {
  std::optional<SocketAddress> address;
  if (!target.empty()) {
    EBB_ASSIGN_OR_RETURN(address, ParseLoopback(target));
  }
  for (auto& [id, front] : fronts_) {
    if (front.daemon != daemon) continue;
    front.target = address;
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat(daemon, " has no front"));
}

// A daemon is named after it was started, so it may have connected before.
void Relay::SetDaemons(std::vector<DaemonProcess> daemons) {
  now_ = SteadyNow();
  daemons_ = std::move(daemons);
  std::vector<Id> strangers;
  std::vector<PeerSocket> sockets;
  for (const auto& [id, passage] : passages_) {
    if (passage.opener != kOther) continue;
    strangers.push_back(id);
    sockets.push_back(passage.socket);
  }
  if (strangers.empty()) return;
  const std::vector<std::string> owners = FindOwners(sockets, daemons_);
  for (size_t i = 0; i < strangers.size(); ++i) {
    if (owners[i].empty()) continue;
    Passage& passage = passages_.at(strangers[i]);
    passage.opener = owners[i];
    const Ways ways = WaysOf(owners[i], fronts_.at(passage.front).daemon);
    passage.connection.MoveToLink(ways.from_opener, ways.from_daemon);
    Advance(strangers[i]);
  }
}

Relay::Link& Relay::LinkOf(const std::string& a, const std::string& b) {
  return links_[std::minmax(a, b)];
}

Relay::Ways Relay::WaysOf(const std::string& opener,
                          const std::string& daemon) {
  Link& link = LinkOf(opener, daemon);
  if (opener <= daemon) return {&link.there, &link.back};
  return {&link.back, &link.there};
}

std::vector<Relay::Id> Relay::ConnectionsOf(const std::string& a,
                                            const std::string& b) const {
  std::vector<Id> found;
  for (const auto& [id, passage] : passages_) {
    const std::string& daemon = fronts_.at(passage.front).daemon;
    if ((passage.opener == a && daemon == b) ||
        (passage.opener == b && daemon == a)) {
      found.push_back(id);
    }
  }
  return found;
}

void Relay::Set(const std::string& a, const std::string& b,
                const LinkState& state) {
  now_ = SteadyNow();
  Link& link = LinkOf(a, b);
  link.there.Set(state);
  link.back.Set(state);
  for (const Id id : ConnectionsOf(a, b)) Advance(id);
}

int Relay::Drop(const std::string& a, const std::string& b) {
  const std::vector<Id> dropped = ConnectionsOf(a, b);
  for (const Id id : dropped) {
    Passage& passage = passages_.at(id);
    passage.connection.Reset();
    SetTimer(id, &passage.timer, absl::InfiniteFuture());
    passages_.erase(id);
  }
  return static_cast<int>(dropped.size());
}

int64_t Relay::Carried(const std::string& from, const std::string& to) const {
  const auto link = links_.find(std::minmax(from, to));
  if (link == links_.end()) return 0;
  return (from <= to ? link->second.there : link->second.back).carried();
}

void Relay::Wake() {
  const uint64_t one = 1;
  // It can fail only when it is woken already.
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof(one));
}

void Relay::Turn() {
  int timeout_ms = -1;
  if (!timers_.empty()) {
    const absl::Duration wait = timers_.begin()->first - SteadyNow();
    // Rounded up: not early. An hour is as good as any longer time.
    timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(
        absl::Ceil(std::clamp(wait, absl::ZeroDuration(), absl::Hours(1)),
                   absl::Milliseconds(1))));
  }
  std::array<epoll_event, 256> events;
  const int n = epoll_wait(epoll_.get(), events.data(),
                           static_cast<int>(events.size()), timeout_ms);
  now_ = SteadyNow();
  for (int i = 0; i < n; ++i) {
    HandleEvent(events[static_cast<size_t>(i)].data.u64,
                events[static_cast<size_t>(i)].events);
  }
  // What is due once more afterwards waits for the next turn.
  std::vector<Id> due;
  for (const auto& [at, id] : timers_) {
    if (at > now_) break;
    due.push_back(id);
  }
  for (const Id id : due) {
    if (fronts_.contains(id)) {
      AcceptAll(id);
    } else {
      Advance(id);
    }
  }
}

// An event may be of something that an event before it has ended.
void Relay::HandleEvent(uint64_t event, uint32_t what) {
  const Id id = event >> 1;
  if (id == 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = read(wake_.get(), &count, sizeof(count));
  } else if (fronts_.contains(id)) {
    AcceptAll(id);
  } else if (const auto it = passages_.find(id); it != passages_.end()) {
    it->second.connection.OnEvents(
        (event & 1) == 0 ? Connection::kOpener : Connection::kDaemon, what,
        now_);
    Advance(id);
  }
}

void Relay::AcceptAll(Id front_id) {
  FrontDoor& front = fronts_.at(front_id);
  std::vector<Accepted> accepted;
  std::vector<PeerSocket> sockets;
  absl::Time again = now_;
  while (accepted.size() < kAcceptBatch) {
    auto next = Accept(front.listening.get());
    if (!next.ok()) {
      again = absl::IsResourceExhausted(next.status()) ? now_ + kAcceptAgain
                                                       : absl::InfiniteFuture();
      break;
    }
    sockets.push_back({.local = next->peer, .remote = front.address});
    accepted.push_back(*std::move(next));
  }
  SetTimer(front_id, &front.timer, again);
  if (accepted.empty()) return;
  const std::vector<std::string> owners = FindOwners(sockets, daemons_);
  for (size_t i = 0; i < accepted.size(); ++i) {
    Admit(front_id, std::move(accepted[i]),
          owners[i].empty() ? kOther : owners[i]);
  }
}

void Relay::Admit(Id front_id, Accepted accepted, const std::string& owner) {
  const FrontDoor& front = fronts_.at(front_id);
  const Ways ways = WaysOf(owner, front.daemon);
  const Id id = next_id_++;
  // Unwatched it would never move: it is closed.
  if (!Watch(accepted.socket.get(), kBoth, id << 1).ok()) return;
  Passage& passage = passages_
                         .try_emplace(id, std::move(accepted.socket),
                                      ways.from_opener, ways.from_daemon)
                         .first->second;
  passage.front = front_id;
  passage.opener = owner;
  passage.socket = {.local = accepted.peer, .remote = front.address};
  Advance(id);
}

void Relay::Advance(Id id) {
  Passage& passage = passages_.at(id);
  Connection& connection = passage.connection;
  if (!connection.led() && !connection.split()) {
    const auto& target = fronts_.at(passage.front).target;
    Fd daemon = target ? BeginConnect(*target) : Fd();
    if (daemon.get() >= 0 && !Watch(daemon.get(), kBoth, id << 1 | 1).ok()) {
      daemon = Fd();
    }
    connection.Connect(std::move(daemon), now_);
  }
  const auto again = connection.Advance(now_, scratch_);
  SetTimer(id, &passage.timer, again.value_or(absl::InfiniteFuture()));
  if (!again) passages_.erase(id);
}

void Relay::SetTimer(Id id, absl::Time* timer, absl::Time at) {
  if (*timer == at) return;
  timers_.erase({*timer, id});
  *timer = at;
  if (at != absl::InfiniteFuture()) timers_.insert({at, id});
}

}  // namespace ebb::chaos
