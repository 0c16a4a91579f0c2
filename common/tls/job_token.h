// The token of a job: a caller that has it reaches the job (docs/security.md).
//
//   const std::string token = NewJobToken();            // ebb submit, ...
//   specification.set_token_hash(JobTokenHash(token));  // ... and all others.
//   EBB_RETURN_IF_ERROR(WriteJobToken("job.token", token));
//
// A worker, which has no job's token, shows to servers what the scheduler gave
// it for one job and one session: WorkerToken.
#ifndef EBB_COMMON_TLS_JOB_TOKEN_H_
#define EBB_COMMON_TLS_JOB_TOKEN_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace ebb {

// Size of a hash, of a key and of a worker's token.
inline constexpr size_t kTokenBytes = 32;

// 256 random bits, as text of 43 letters, digits, '-' and '_'.
std::string NewJobToken();

// The stored form of a token: SHA-256, 32 bytes. The token has too many bits to
// be guessed, so there is no salt.
std::string JobTokenHash(absl::string_view token);

// Returns 32 random bytes, from which workers' tokens are made.
std::string NewTokenKey();

// Returns the proof that a scheduler leased an item of the job to the worker:
// HMAC-SHA-256, 32 bytes. `key` is from NewTokenKey.
std::string WorkerToken(absl::string_view key, JobId job, SessionId worker);

// Compares in a time that does not depend on where they differ. It may depend
// on their sizes.
bool SameSecret(absl::string_view a, absl::string_view b);

// Reads the token from a file, which may have spaces around it. NotFound: there
// is no such file. InvalidArgument: it cannot be read, or holds no token: 32 to
// 256 printable characters without spaces, in one line. No message quotes it.
absl::StatusOr<std::string> ReadJobToken(const std::string& path);

// Into a new file that only its owner can read; its folder is there.
// AlreadyExists: nothing is written over. InvalidArgument: it cannot be
// written.
absl::Status WriteJobToken(const std::string& path, absl::string_view token);

}  // namespace ebb

#endif  // EBB_COMMON_TLS_JOB_TOKEN_H_
