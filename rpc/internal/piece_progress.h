// Which of the messages that a listener receives in pieces do not come any
// more.
#ifndef EBB_RPC_INTERNAL_PIECE_PROGRESS_H_
#define EBB_RPC_INTERNAL_PIECE_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb::rpc::internal {

// A message stands still if fewer than kLeast bytes of it come in
// `stuck_after`. It is given up only when another one finds no room: until then
// it does no harm. Thread-safe; times are of a monotonic clock.
class PieceProgress {
 public:
  static constexpr int64_t kLeast = int64_t{64} << 10;
  // Ends the message's call soon. It is called with a lock held, at most once,
  // and may not call back before it returns.
  using GiveUp = std::function<void()>;
  struct Message {
    GiveUp give_up;     // Empty: it was called.
    int64_t bytes = 0;  // Since then.
    absl::Time since;
  };
  using Handle = std::list<Message>::iterator;

  explicit PieceProgress(absl::Duration stuck_after)
      : stuck_after_(stuck_after) {}

  // The handle is valid until End().
  Handle Begin(absl::Time now, GiveUp give_up) {
    MutexLock lock(&mu_);
    return messages_.insert(messages_.end(),
                            {.give_up = std::move(give_up), .since = now});
  }
  void Came(Handle message, int64_t bytes, absl::Time now) {
    MutexLock lock(&mu_);
    message->bytes += bytes;
    if (message->bytes < kLeast) return;
    message->bytes = 0;
    message->since = now;
  }
  void End(Handle message) {
    MutexLock lock(&mu_);
    messages_.erase(message);
  }
  // Gives up each message that stands still.
  void GiveUpStuck(absl::Time now) {
    MutexLock lock(&mu_);
    for (Message& one : messages_) {
      if (one.give_up == nullptr || now - one.since < stuck_after_) continue;
      std::exchange(one.give_up, nullptr)();
    }
  }

 private:
  const absl::Duration stuck_after_;
  Mutex mu_;
  std::list<Message> messages_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_PIECE_PROGRESS_H_
