// The tokens of jobs that a process shows, and its means to check those of
// others (docs/decisions/0017-job-tokens.md). They are never logged.
//
//   ebb submit     makes a job's token; its hash is in the specification
//   scheduler      has a key of its life; gives it to the servers when they
//                  connect, and with each lease a token made with it to the
//                  worker
//   worker         shows that to the servers
//   server         checks it by the key
//   client         shows the job's own token, of which scheduler and servers
//                  know the hash
#ifndef EBB_RPC_JOB_TOKENS_H_
#define EBB_RPC_JOB_TOKENS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "protocol/plan.h"

namespace ebb::rpc {

// SHA-256 of the token of the record's job; empty: it has none.
std::string TokenHashOf(const JobRecord& record);

// Before the record is submitted. Its specification is one, or empty.
void SetTokenHash(absl::string_view token, JobRecord* record);

// Thread-safe.
class JobTokens {
 public:
  // Finds the token of a job; empty: there is none. For job 0: one of any job.
  using Find = std::function<std::string(JobId)>;

  JobTokens() = default;
  JobTokens(const JobTokens&) = delete;
  JobTokens& operator=(const JobTokens&) = delete;

  // --- Of a client ----------------------------------------------------------

  // Called by calls, several at once; not under a lock.
  void SetFind(Find find);
  std::string Own(JobId job) const;

  // --- Of a scheduler -------------------------------------------------------

  // The key of this life of the process: made at the first call.
  std::string Key();
  std::string ForWorker(JobId job, SessionId worker);

  // --- Of a worker ----------------------------------------------------------

  void Lend(JobId job, SessionId worker, std::string token);
  // Empty: none was given.
  std::string Lent(JobId job, SessionId worker) const;

  // --- Of a server ----------------------------------------------------------

  // A scheduler's. Those before it count on, the last few: workers still have
  // tokens that an earlier life of the scheduler made.
  void AddKey(absl::string_view key);
  // Before anything is served of the job.
  void Learn(const JobRecord& record);
  // PermissionDenied: the job has a token, and the worker does not show the one
  // that was made for it and this job. The message is safe to log. Without any
  // key the scheduler uses no tokens, and no worker is refused.
  absl::Status CheckWorker(JobId job, SessionId worker,
                           absl::string_view shown) const;

  // --- Of a scheduler and of a server ---------------------------------------

  // PermissionDenied: `shown` is not the record's job's token; empty: none was
  // shown. The message says what to do.
  static absl::Status CheckOwner(const JobRecord& record,
                                 absl::string_view shown);

 private:
  static constexpr size_t kMostKeys = 8;

  mutable Mutex mu_;
  Find find_ ABSL_GUARDED_BY(mu_);
  std::string key_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<JobId, SessionId>, std::string> lent_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> keys_ ABSL_GUARDED_BY(mu_);  // Newest first.
  // True if it has a token.
  absl::flat_hash_map<JobId, bool> jobs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_JOB_TOKENS_H_
