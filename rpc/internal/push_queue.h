// Which pushes of a channel wait, and travel together when a call ends
// (docs/decisions/0022-pushes-together.md).
//
//   Add ──▶ at once, alone                  few calls are under way
//    └────▶ waits ──▶ with others, or alone  Ended: a call is over
//
// A call costs both sides much the same whatever it carries. So while two small
// pushes are under way others wait, and go together when a call ends. But four
// go in a second call beside the first, lest the server wait for them. No push
// is kept for a fixed time: a caller that has at most two pushes under way
// meets no wait.
//
// The pushes that its callers have under way at once bound those that wait.
#ifndef EBB_RPC_INTERNAL_PUSH_QUEUE_H_
#define EBB_RPC_INTERNAL_PUSH_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

// Pushes that a server judges in the order of their sequence numbers, and that
// show the same token. Only such wait for each other: those of a new
// incarnation are what ends a wait for one that was lost.
struct PushStream {
  JobId job;
  SessionId worker;
  SessionId server;
  int64_t incarnation = 0;
  std::string shown;

  static PushStream Of(const PushRequest& push, std::string shown) {
    return {push.job, push.stamp.worker, push.server_session, push.incarnation,
            std::move(shown)};
  }
  friend bool operator==(const PushStream&, const PushStream&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PushStream& s) {
    return H::combine(std::move(h), s.job, s.worker, s.server, s.incarnation,
                      s.shown);
  }
};

struct PushQueueOptions {
  // Calls with small pushes of one stream, under way at once. Default 2: one is
  // judged while one travels.
  size_t calls = 2;
  // With fewer pushes under way, none waits. Default 2.
  size_t alone = 2;
  // So many go while a call is under way. Default 4; more save calls, and make
  // the first of them wait longer.
  size_t company = 4;
  // A larger push, in bytes, gains nothing by waiting. Default 256 KiB.
  int64_t small_bytes = int64_t{256} << 10;
  // Most bytes and pushes of one call. Default 1 MiB, and all that a call can
  // have.
  int64_t call_bytes = int64_t{1} << 20;
  size_t call_pushes = kMaxPushesTogether;
};

// `Push` is movable. Thread-compatible.
template <typename Push>
class PushQueue {
 public:
  // Pushes to be sent now, in one call.
  struct Call {
    PushStream stream;
    // If not 0, Ended is called at its end with this number.
    size_t counts = 0;
    std::vector<Push> pushes;
  };
  using Calls = std::vector<Call>;

  explicit PushQueue(const PushQueueOptions& options) : options_(options) {}

  // Returns the calls to send now: none, if the push waits. It waits only for
  // calls all of whose pushes the server judges before it, and that end before
  // it must. Otherwise the server might wait for it, and it for the server. A
  // push that is large, or comes late, takes along those that wait before it.
  Calls Add(const PushStream& of, int64_t sequence, absl::Time until,
            int64_t bytes, Push push) {
    Calls now;
    const bool small = bytes <= options_.small_bytes;
    if (apart_ || (!small && !streams_.contains(of))) {
      now.push_back(Alone(of, /*counts=*/0, std::move(push)));
      return now;
    }
    Stream& stream = streams_[of];
    const bool follows = sequence > stream.sequence && until >= stream.until;
    stream.sequence = std::max(stream.sequence, sequence);
    stream.until = std::max(stream.until, until);
    if (small && follows) {
      stream.waiting.push_back({bytes, std::move(push)});
      Take(of, &stream, /*all=*/false, &now);
      return now;
    }
    Take(of, &stream, /*all=*/true, &now);
    if (small) {
      ++stream.calls;
      ++stream.pushes;
    }
    now.push_back(Alone(of, small ? 1 : 0, std::move(push)));
    return now;
  }

  // A call with this count is over. Returns the calls to send now.
  Calls Ended(const PushStream& of, size_t counts) {
    Calls now;
    const auto it = streams_.find(of);
    if (it == streams_.end()) return now;
    --it->second.calls;
    it->second.pushes -= counts;
    Take(of, &it->second, /*all=*/false, &now);
    if (it->second.calls == 0) streams_.erase(it);
    return now;
  }

  // Lets no push wait any more, now or later. Returns those that did, for calls
  // of one push each.
  Calls Separate() {
    apart_ = true;
    Calls now;
    for (auto& [of, stream] : streams_) {
      for (Waiting& one : stream.waiting) {
        now.push_back(Alone(of, /*counts=*/0, std::move(one.push)));
      }
    }
    streams_.clear();
    return now;
  }

  // True if pushes no longer travel together.
  bool apart() const { return apart_; }

 private:
  struct Waiting {
    int64_t bytes = 0;
    Push push;
  };
  struct Stream {
    // Under way, of small pushes.
    size_t calls = 0;
    size_t pushes = 0;
    std::deque<Waiting> waiting;
    // The largest of all that came.
    int64_t sequence = std::numeric_limits<int64_t>::min();
    absl::Time until = absl::InfinitePast();
  };

  static Call Alone(const PushStream& of, size_t counts, Push push) {
    Call call{of, counts, {}};
    call.pushes.push_back(std::move(push));
    return call;
  }

  bool MayGo(const Stream& stream) const {
    return stream.pushes < options_.alone ||
           (stream.calls < options_.calls &&
            stream.waiting.size() >= options_.company);
  }

  // Makes calls of those that wait, as far as they may go, or of all.
  void Take(const PushStream& of, Stream* stream, bool all, Calls* now) {
    while (!stream->waiting.empty() && (all || MayGo(*stream))) {
      Call call{of, /*counts=*/0, {}};
      int64_t bytes = 0;
      while (!stream->waiting.empty() &&
             call.pushes.size() < options_.call_pushes) {
        Waiting& next = stream->waiting.front();
        bytes += next.bytes + kFrameBytes;
        if (!call.pushes.empty() && bytes > options_.call_bytes) break;
        call.pushes.push_back(std::move(next.push));
        stream->waiting.pop_front();
      }
      call.counts = call.pushes.size();
      ++stream->calls;
      stream->pushes += call.counts;
      now->push_back(std::move(call));
    }
  }

  static constexpr int64_t kFrameBytes = 6;  // Before each push of a call.

  const PushQueueOptions options_;
  bool apart_ = false;
  // The streams with calls under way.
  absl::flat_hash_map<PushStream, Stream> streams_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_PUSH_QUEUE_H_
