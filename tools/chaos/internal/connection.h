// One connection through the proxy: the opener's socket, the daemon's, and a
// pipe each way. Only its relay's thread uses it.
#ifndef EBB_TOOLS_CHAOS_INTERNAL_CONNECTION_H_
#define EBB_TOOLS_CHAOS_INTERNAL_CONNECTION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "tools/chaos/internal/sockets.h"
#include "tools/chaos/shaped_pipe.h"

namespace ebb::chaos {

// The pipes decide what moves when; this moves it.
//
// An end is *broken* when nothing more can be sent to it: it was reset, or
// could not be connected. What it sent before still goes to the other end, and
// then a reset. What the other end sends is read and dropped (except over a
// split, where nothing moves), so that it does not wait for a reader that is
// gone.
class Connection {
 public:
  enum Side { kOpener = 0, kDaemon = 1 };

  // `from_opener` and `from_daemon` are not owned and outlive it.
  Connection(Fd opener, LinkWay* from_opener, LinkWay* from_daemon);

  void MoveToLink(LinkWay* from_opener, LinkWay* from_daemon);
  bool split() const { return ends_[kOpener].into.way().state().split; }

  // Connects it to the daemon. Without a descriptor the opener gets a reset.
  // Call it once.
  void Connect(Fd daemon, absl::Time now);
  bool led() const { return led_; }
  // Negative: none.
  int descriptor(Side side) const { return ends_[side].socket.get(); }

  // Handles the events of edge-triggered epoll at an end.
  void OnEvents(Side side, uint32_t events, absl::Time now);

  // Moves what may be moved, as far as the sockets take it; `scratch` is any
  // memory. Returns when to call again if no event comes before; nothing: the
  // connection is over, to be destroyed.
  std::optional<absl::Time> Advance(absl::Time now, std::span<char> scratch);

  // Resets both ends. Destroy it then.
  void Reset();

 private:
  struct End {
    explicit End(LinkWay* way) : into(way) {}
    Fd socket;
    bool connecting = false;
    // Until the socket says that it would block.
    bool readable = false;
    bool writable = false;
    bool failed = false;  // The socket has an error, which may be known yet.
    bool broken = false;
    bool read_all = false;  // Its end was put into the other's pipe.
    bool told_fin = false;  // Nothing follows in `into`, except a reset.
    ShapedPipe into;        // Bytes sent to this end.
    absl::Time again = absl::InfiniteFuture();  // When `into` has more.
  };

  End& Other(const End& end) { return &end == &ends_[0] ? ends_[1] : ends_[0]; }
  // Each returns whether there may be more to do.
  bool Read(End* end, absl::Time now, std::span<char> scratch);
  bool Write(End* end, absl::Time now);
  void Break(End* end, absl::Time now);
  bool IsOver() const;

  std::array<End, 2> ends_;
  bool led_ = false;
  bool over_ = false;
  int64_t moved_ = 0;  // Bytes, in this call of Advance.
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_INTERNAL_CONNECTION_H_
