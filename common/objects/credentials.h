// With which keys a process signs its requests to a bucket.
#ifndef EBB_COMMON_OBJECTS_CREDENTIALS_H_
#define EBB_COMMON_OBJECTS_CREDENTIALS_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // Empty: these keys last.
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

struct TemporaryCredentials {
  Credentials credentials;
  absl::Time expires;
};

// Reads a variable of the environment; "" if there is none.
using Environment = std::function<std::string(const char* name)>;
// The one of this process.
std::string ProcessEnvironment(const char* name);
// The variable `name`, or `other` if that is empty.
std::string EnvironmentOr(const Environment& environment, const char* name,
                          const char* other);

// The section `profile` of a file as the AWS tools write it:
//
//   [default]
//   aws_access_key_id = AKIA...
//   aws_secret_access_key = ...
//   aws_session_token = ...
//
// NotFound: there is no such section. InvalidArgument names what it lacks; no
// message contains a key.
absl::StatusOr<Credentials> ParseCredentials(absl::string_view text,
                                             absl::string_view profile);

// The keys come from
//
// - AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN,
// - else a token service, if AWS_WEB_IDENTITY_TOKEN_FILE is set
//   (web_identity.h); it is asked again five minutes before the keys expire,
// - else the section AWS_PROFILE ("default") of the file
//   AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials), which is read again after
//   a minute, so keys may be renewed while the process runs,
// - else none: requests are not signed, which public buckets allow.
//
// Thread-safe.
class CredentialsSource {
 public:
  explicit CredentialsSource(Environment environment)
      : environment_(std::move(environment)) {}

  // nullopt: there are none. Errors: there is a file or a token service, and it
  // cannot be used. Waits while a token service answers.
  absl::StatusOr<std::optional<Credentials>> Get(absl::Time now);
  // The server called them expired: Get reads them anew.
  void Expire();

 private:
  // The credentials that were read, with the times of their use and end.
  struct Known {
    std::optional<Credentials> credentials;
    absl::Time since = absl::InfiniteFuture();
    absl::Time read_again = absl::InfinitePast();
    absl::Time expires = absl::InfinitePast();
  };
  absl::StatusOr<Known> Read(absl::Time now) const;

  const Environment environment_;
  Mutex mu_;
  Known known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_CREDENTIALS_H_
