// The offers of a server that workers have not taken yet, each a random token.
#ifndef EBB_RPC_INTERNAL_OFFERS_H_
#define EBB_RPC_INTERNAL_OFFERS_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/shm/unix_socket.h"

namespace ebb::rpc::internal {

inline constexpr int kOfferTokenBytes = 16;

// Thread-safe.
class Offers {
 public:
  // `what` is offered, for errors.
  explicit Offers(std::string what) : what_(std::move(what)) {}

  // The token of a new offer, which lasts for a few seconds.
  // ResourceExhausted: too many were not taken.
  absl::StatusOr<std::string> Make() {
    const absl::Time now = absl::Now();
    MutexLock lock(&mu_);
    std::erase_if(tokens_, [&](const auto& one) { return one.second <= now; });
    if (tokens_.size() >= kMost) {
      return absl::ResourceExhaustedError(absl::StrCat(
          tokens_.size(), " others were offered ", what_, " just now"));
    }
    std::string token = shm::RandomBytes(kOfferTokenBytes);
    tokens_.emplace_back(token, now + kLasts);
    return token;
  }

  // PermissionDenied: there is no such offer, or not any more.
  absl::Status Take(absl::string_view token) {
    MutexLock lock(&mu_);
    const auto found =
        std::find_if(tokens_.begin(), tokens_.end(),
                     [&](const auto& one) { return one.first == token; });
    if (found == tokens_.end() || found->second <= absl::Now()) {
      return absl::PermissionDeniedError("it named no offer");
    }
    tokens_.erase(found);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kMost = 64;
  static constexpr absl::Duration kLasts = absl::Seconds(5);

  const std::string what_;
  Mutex mu_;
  // With the time until which each counts.
  std::vector<std::pair<std::string, absl::Time>> tokens_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_OFFERS_H_
