// The checks of all ways on which calls reach a process, beside roles.
#ifndef EBB_RPC_INTERNAL_GUARD_H_
#define EBB_RPC_INTERNAL_GUARD_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rpc/job_tokens.h"
#include "rpc/key_counts.h"
#include "rpc/refusals.h"

namespace ebb::rpc::internal {

// Under which tokens travel: text; and bytes, as the suffix says.
inline constexpr char kJobTokenKey[] = "ebb-job-token";
inline constexpr char kWorkerTokenKey[] = "ebb-worker-token-bin";
inline constexpr char kTokenKeyKey[] = "ebb-token-key-bin";

struct Guard {
  // Null: without certificates; tokens are neither shown nor checked.
  std::shared_ptr<JobTokens> tokens;
  std::shared_ptr<Refusals> refusals;    // Null: refusals are not counted.
  std::shared_ptr<KeyCounts> keys = {};  // Null: keys are not counted.

  void Count(Refusal refusal) const {
    if (refusals != nullptr) refusals->Count(refusal);
  }
  // Checks a push, a pull or a clock.
  template <typename Request>
  absl::Status CheckWorker(const Request& request,
                           absl::string_view shown) const {
    if (tokens == nullptr) return absl::OkStatus();
    absl::Status status =
        tokens->CheckWorker(request.job, request.stamp.worker, shown);
    if (!status.ok()) Count(Refusal::kToken);
    return status;
  }
  // The token that a process which connects to servers shows; empty: none.
  template <typename Request>
  std::string ShownWith(const Request& request) const {
    return tokens == nullptr ? ""
                             : tokens->Lent(request.job, request.stamp.worker);
  }
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_GUARD_H_
