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
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/shm/unix_socket.h"
#include "common/steady_time.h"

namespace ebb::rpc::internal {

inline constexpr int kOfferTokenBytes = 16;

// Thread-safe.
class Offers {
 public:
  // `what` is offered, for errors.
  explicit Offers(std::string what) : what_(std::move(what)) {}

  // The token of a new offer, which lasts for a few seconds; `taker` alone may
  // take it. ResourceExhausted: too many were not taken.
  absl::StatusOr<std::string> Make(absl::string_view taker = "") {
    const absl::Time now = SteadyNow();
    MutexLock lock(&mu_);
    std::erase_if(offers_, [&](const Offer& one) { return one.until <= now; });
    if (offers_.size() >= kMost) {
      return absl::ResourceExhaustedError(absl::StrCat(
          offers_.size(), " others were offered ", what_, " just now"));
    }
    std::string token = shm::RandomBytes(kOfferTokenBytes);
    offers_.push_back({token, std::string(taker), now + kLasts});
    return token;
  }

  // PermissionDenied: there is no such offer, or not any more; or it is
  // another's, and stays.
  absl::Status Take(absl::string_view token, absl::string_view taker = "") {
    MutexLock lock(&mu_);
    const auto found =
        std::find_if(offers_.begin(), offers_.end(),
                     [&](const Offer& one) { return one.token == token; });
    if (found == offers_.end() || found->until <= SteadyNow()) {
      return absl::PermissionDeniedError("it named no offer");
    }
    if (found->taker != taker) {
      return absl::PermissionDeniedError(
          absl::StrCat("it named an offer to \"", found->taker,
                       "\", and its certificate is of \"", taker, "\""));
    }
    offers_.erase(found);
    return absl::OkStatus();
  }

 private:
  struct Offer {
    std::string token;
    std::string taker;
    absl::Time until;
  };

  static constexpr size_t kMost = 64;
  static constexpr absl::Duration kLasts = absl::Seconds(5);

  const std::string what_;
  Mutex mu_;
  std::vector<Offer> offers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_OFFERS_H_
