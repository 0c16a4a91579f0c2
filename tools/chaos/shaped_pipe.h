// The effect of a link on the bytes on it: holds them, delays them, and limits
// their rate. No I/O, no clock.
//
//   LinkWay way;                          // worker-1 to ps-0
//   ShapedPipe pipe(&way);                // one connection's bytes on it
//   way.Set({.delay = absl::Milliseconds(50)});
//   pipe.Put("hello", now);
//   const ShapedPipe::Out out = pipe.Ready(now);  // Nothing: out.again later.
#ifndef EBB_TOOLS_CHAOS_SHAPED_PIPE_H_
#define EBB_TOOLS_CHAOS_SHAPED_PIPE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::chaos {

// The network between two daemons, in both directions. The default: as if
// nothing were between them.
struct LinkState {
  // No byte moves, no connection is made or ends; sent bytes are held.
  bool split = false;
  // The delay of each byte. Negative counts as zero.
  absl::Duration delay = absl::ZeroDuration();
  // So many a second, in each direction, for all connections of the link
  // together; 0 or less: no limit.
  int64_t bytes_per_second = 0;

  friend bool operator==(const LinkState&, const LinkState&) = default;
};

// Lets `bytes_per_second` through, in the long run exactly; after a rest, what
// belongs to 50 ms at once.
//
// A sender reserves, and is told when it may send: so senders that share a
// bucket take turns in the order of their requests. (The generic cell rate
// algorithm, as a clock of when all that was reserved will have gone at the
// exact rate.)
class TokenBucket {
 public:
  // At least 1.
  explicit TokenBucket(int64_t bytes_per_second)
      : bytes_per_second_(bytes_per_second) {}

  // When `bytes`, at most quantum(), may go; `now` or later.
  absl::Time Reserve(int64_t bytes, absl::Time now);
  // The most that is reserved at once, so that turns are short.
  int64_t quantum() const {
    return std::clamp<int64_t>(bytes_per_second_ / 20, 1, 16 << 10);
  }

 private:
  int64_t bytes_per_second_;
  absl::Time all_gone_ = absl::InfinitePast();
};

// One direction of a link: what all pipes of it share. Not thread-safe.
class LinkWay {
 public:
  // Takes effect for held bytes, too.
  void Set(const LinkState& state);
  const LinkState& state() const { return state_; }
  // Bytes that left pipes of this way at their far end.
  int64_t carried() const { return carried_; }

  // The most bytes that a pipe holds. Under a delay it is 4 MiB, so that the
  // delay does not become a limit. Under a limit it is a tenth of a second's
  // worth, as in a router's queue, since more would become a delay. Else it is
  // 256 KiB.
  int64_t capacity() const;

 private:
  friend class ShapedPipe;
  LinkState state_;
  TokenBucket bucket_{1};  // For state_.bytes_per_second, if that limits.
  int64_t epoch_ = 0;      // Reservations of an earlier one are void.
  int64_t carried_ = 0;
};

// One direction of one connection: bytes and, last, its end go in, and come out
// in the same order, each once. Not thread-safe.
class ShapedPipe {
 public:
  // How a stream of bytes ends: well, or by a reset, which may follow a kFin.
  enum class End { kNone, kFin, kReset };

  struct Out {
    // May leave now, the first of them first; empty: nothing may ...
    absl::string_view bytes;
    // ... or there is none before the end, which may be told now.
    End end = End::kNone;
    // When nothing may leave: when to ask again. Infinite: when something was
    // put or the way was set.
    absl::Time again = absl::InfiniteFuture();
  };

  // The way is not owned and outlives the pipe.
  explicit ShapedPipe(LinkWay* way) : way_(way) {}
  // The pipe belongs to another link from now on.
  void Move(LinkWay* way);
  const LinkWay& way() const { return *way_; }

  // Bytes that may be put now; 0 or less: none until some were taken.
  int64_t Room() const { return way_->capacity() - cost_; }
  // Call it in the order of time.
  void Put(absl::string_view bytes, absl::Time now);
  void PutEnd(End end, absl::Time now);
  // Forgets what it holds.
  void Clear();

  // Returns the bytes that may leave. `bytes` are valid until the pipe is
  // changed.
  Out Ready(absl::Time now);
  // So many of the bytes, or the end, that Ready() gave have left.
  void Take(int64_t bytes);
  void TakeEnd();

 private:
  struct Item {
    std::string bytes;
    End end = End::kNone;
    // Not the time when it is due: a changed delay also holds for bytes under
    // way.
    absl::Time arrived;
  };
  void PopFront();

  LinkWay* way_;  // Not owned.
  std::deque<Item> items_;
  int64_t taken_ = 0;  // Bytes of the first item that were taken.
  // Memory of the items. Each has a fixed part, so that memory is bounded for
  // streams of single bytes, too.
  int64_t cost_ = 0;
  // Under a limit: bytes of the first item that may go, from when on.
  int64_t granted_ = 0;
  absl::Time granted_at_ = absl::InfinitePast();
  int64_t granted_epoch_ = 0;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_SHAPED_PIPE_H_
