// Counts the requests that a process refused, by reason: for its metrics.
#ifndef EBB_RPC_REFUSALS_H_
#define EBB_RPC_REFUSALS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace ebb::rpc {

enum class Refusal {
  kHandshake,   // A connection: no certificate, or none that is believed.
  kRole,        // A call that the caller's role may not make.
  kToken,       // A call about a job whose token was not shown.
  kMessage,     // It cannot be read: a bug of the sender, or an attack.
  kCalls,       // More pushes and pulls at once than are answered.
  kAdminCalls,  // More questions of people and tools than wait for an answer.
  kSessions,    // More sessions than are kept.
  kUnread,      // A session whose other side does not read what it is sent.
};
inline constexpr size_t kRefusals = 8;

// Returns its name in metrics.
constexpr absl::string_view RefusalName(Refusal refusal) {
  constexpr std::array<absl::string_view, kRefusals> kNames = {
      "handshake", "role",        "token",    "message",
      "calls",     "admin_calls", "sessions", "unread"};
  return kNames[static_cast<size_t>(refusal)];
}

// Thread-safe.
class Refusals {
 public:
  void Count(Refusal refusal) {
    counts_[static_cast<size_t>(refusal)].fetch_add(1,
                                                    std::memory_order_relaxed);
  }
  int64_t Of(Refusal refusal) const {
    return counts_[static_cast<size_t>(refusal)].load(
        std::memory_order_relaxed);
  }

 private:
  // Each for itself; nothing else goes by them.
  std::array<std::atomic<int64_t>, kRefusals> counts_ = {};
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_REFUSALS_H_
