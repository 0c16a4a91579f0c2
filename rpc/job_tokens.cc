#include "rpc/job_tokens.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/tls/job_token.h"
#include "ebb/v1/specification.pb.h"

namespace ebb::rpc {

std::string TokenHashOf(const JobRecord& record) {
  v1::Specification specification;
  // A job of another program may have a specification of its own.
  if (!specification.ParseFromString(record.specification)) return "";
  return specification.token_hash();
}

void SetTokenHash(absl::string_view token, JobRecord* record) {
  v1::Specification specification;
  specification.ParseFromString(record->specification);
  specification.set_token_hash(JobTokenHash(token));
  record->specification = specification.SerializeAsString();
}

void JobTokens::SetFind(Find find) {
  MutexLock lock(&mu_);
  find_ = std::move(find);
}

std::string JobTokens::Own(JobId job) const {
  Find find;
  {
    MutexLock lock(&mu_);
    find = find_;
  }
  return find ? find(job) : "";
}

std::string JobTokens::Key() {
  MutexLock lock(&mu_);
  if (key_.empty()) key_ = NewTokenKey();
  return key_;
}

std::string JobTokens::ForWorker(JobId job, SessionId worker) {
  return WorkerToken(Key(), job, worker);
}

void JobTokens::Lend(JobId job, SessionId worker, std::string token) {
  MutexLock lock(&mu_);
  lent_[{job, worker}] = std::move(token);
}

std::string JobTokens::Lent(JobId job, SessionId worker) const {
  MutexLock lock(&mu_);
  const auto it = lent_.find({job, worker});
  return it == lent_.end() ? "" : it->second;
}

void JobTokens::AddKey(absl::string_view key) {
  if (key.size() != kTokenBytes) return;  // It is not from an ebb scheduler.
  MutexLock lock(&mu_);
  const auto known = std::find(keys_.begin(), keys_.end(), key);
  if (known != keys_.end()) keys_.erase(known);
  keys_.emplace_front(key);
  if (keys_.size() > kMostKeys) keys_.pop_back();
}

void JobTokens::Learn(const JobRecord& record) {
  {
    MutexLock lock(&mu_);
    if (jobs_.contains(record.id)) return;  // It never changes.
  }
  const bool has_token = !TokenHashOf(record).empty();
  MutexLock lock(&mu_);
  jobs_[record.id] = has_token;
}

absl::Status JobTokens::CheckWorker(JobId job, SessionId worker,
                                    absl::string_view shown) const {
  std::deque<std::string> keys;
  {
    MutexLock lock(&mu_);
    const auto it = jobs_.find(job);
    // What it never heard of it does not serve.
    if (it == jobs_.end() || !it->second) return absl::OkStatus();
    keys = keys_;
  }
  if (keys.empty()) return absl::OkStatus();
  for (const std::string& key : keys) {
    if (SameSecret(WorkerToken(key, job, worker), shown)) {
      return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError(absl::StrCat(
      "job ", job.value(), " has a token, and worker ", worker.value(),
      shown.empty() ? " shows none" : " shows another",
      ": the scheduler gives it with a lease; a worker older than tokens is "
      "given none"));
}

absl::Status JobTokens::CheckOwner(const JobRecord& record,
                                   absl::string_view shown) {
  const std::string hash = TokenHashOf(record);
  if (hash.empty()) return absl::OkStatus();
  if (!shown.empty() && SameSecret(JobTokenHash(shown), hash)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat(
      "job ", record.name, " (", record.id.value(), ") ",
      shown.empty() ? "needs its token" : "has another token than was shown",
      ": name the file that `ebb submit` wrote it to by --token-file or "
      "EBB_TOKEN_FILE"));
}

}  // namespace ebb::rpc
