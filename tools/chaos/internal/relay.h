// All that the proxy has, on one thread: fronts, links, connections.
#ifndef EBB_TOOLS_CHAOS_INTERNAL_RELAY_H_
#define EBB_TOOLS_CHAOS_INTERNAL_RELAY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/chaos/internal/connection.h"
#include "tools/chaos/internal/sockets.h"
#include "tools/chaos/shaped_pipe.h"
#include "tools/chaos/socket_owner.h"

namespace ebb::chaos {

// Not thread-safe, but for Wake. proxy.h says what the methods do.
class Relay {
 public:
  // Errors: epoll or memory is short, as kResourceExhausted.
  static absl::StatusOr<std::unique_ptr<Relay>> Create();

  absl::StatusOr<std::string> Front(const std::string& daemon,
                                    const std::string& target);
  absl::Status SetTarget(const std::string& daemon, const std::string& target);
  void SetDaemons(std::vector<DaemonProcess> daemons);
  void Set(const std::string& a, const std::string& b, const LinkState& state);
  int Drop(const std::string& a, const std::string& b);
  int64_t Carried(const std::string& from, const std::string& to) const;

  // Waits until there is something to do, and does it.
  void Turn();
  // Ends a Turn that waits, or the next one. From any thread.
  void Wake();

 private:
  // Names the object of an epoll event and, for a connection, the side.
  using Id = uint64_t;
  struct FrontDoor {
    std::string daemon;
    Fd listening;
    SocketAddress address;
    std::optional<SocketAddress> target;
    absl::Time timer = absl::InfiniteFuture();
  };
  struct Link {
    LinkWay there;  // From the name that is first in the alphabet.
    LinkWay back;
  };
  struct Passage {
    // Made when nothing refers to it yet.
    Passage(Fd opener, LinkWay* from_opener, LinkWay* from_daemon)
        : connection(std::move(opener), from_opener, from_daemon) {}
    Id front = 0;
    std::string opener;  // Its daemon's name.
    PeerSocket socket;   // The opener's.
    absl::Time timer = absl::InfiniteFuture();
    Connection connection;
  };
  struct Ways {
    LinkWay* from_opener;
    LinkWay* from_daemon;
  };

  Relay(Fd epoll, Fd wake);

  absl::Status Watch(int fd, uint32_t what, uint64_t event);
  Link& LinkOf(const std::string& a, const std::string& b);
  Ways WaysOf(const std::string& opener, const std::string& daemon);
  void HandleEvent(uint64_t event, uint32_t what);
  void AcceptAll(Id front_id);
  void Admit(Id front_id, Accepted accepted, const std::string& owner);
  void Advance(Id id);
  // Returns the connections of the link, by the present names.
  std::vector<Id> ConnectionsOf(const std::string& a,
                                const std::string& b) const;
  void SetTimer(Id id, absl::Time* timer, absl::Time at);

  const Fd epoll_;
  const Fd wake_;
  std::vector<char> scratch_;
  absl::Time now_;  // The time of this turn.
  Id next_id_ = 1;  // 0 is wake_.
  std::vector<DaemonProcess> daemons_;
  std::map<Id, FrontDoor> fronts_;
  // By both names, in the order of the alphabet. Never erased: connections
  // point to the ways.
  std::map<std::pair<std::string, std::string>, Link> links_;
  std::map<Id, Passage> passages_;
  // Timers of fronts and passages.
  std::set<std::pair<absl::Time, Id>> timers_;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_INTERNAL_RELAY_H_
