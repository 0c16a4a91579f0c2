#include "common/objects/credentials.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/objects/internal/files.h"
#include "common/objects/web_identity.h"
#include "common/status_macros.h"
#include "glog/logging.h"

namespace ebb {

namespace {

constexpr absl::Duration kReadAgain = absl::Minutes(1);
// So long before they expire, keys are renewed.
constexpr absl::Duration kBeforeTheEnd = absl::Minutes(5);
constexpr uint64_t kMostFileBytes = 1 << 20;

}  // namespace

std::string ProcessEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string EnvironmentOr(const Environment& environment, const char* name,
                          const char* other) {
  std::string value = environment(name);
  return value.empty() ? environment(other) : value;
}

absl::StatusOr<Credentials> ParseCredentials(absl::string_view text,
                                             absl::string_view profile) {
  Credentials credentials;
  bool found = false;
  bool here = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.front() == '[') {
      here = line.back() == ']' && absl::StripAsciiWhitespace(line.substr(
                                       1, line.size() - 2)) == profile;
      found = found || here;
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> entry =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (!here) continue;
    const absl::string_view name = absl::StripAsciiWhitespace(entry.first);
    const std::string value(absl::StripAsciiWhitespace(entry.second));
    if (name == "aws_access_key_id") credentials.access_key = value;
    if (name == "aws_secret_access_key") credentials.secret_key = value;
    if (name == "aws_session_token") credentials.session_token = value;
  }
  if (!found) {
    return absl::NotFoundError(
        absl::StrCat("it has no section [", profile, "]"));
  }
  if (credentials.access_key.empty() || credentials.secret_key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the section [", profile,
                     "] lacks aws_access_key_id or aws_secret_access_key"));
  }
  return credentials;
}

absl::StatusOr<CredentialsSource::Known> CredentialsSource::Read(
    absl::Time now) const {
  Known known = {.since = now,
                 .read_again = now + kReadAgain,
                 .expires = absl::InfiniteFuture()};
  Credentials credentials = {environment_("AWS_ACCESS_KEY_ID"),
                             environment_("AWS_SECRET_ACCESS_KEY"),
                             environment_("AWS_SESSION_TOKEN")};
  if (credentials.access_key.empty() != credentials.secret_key.empty()) {
    return absl::InvalidArgumentError(
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set, or "
        "neither");
  }
  if (!credentials.access_key.empty()) {
    known.credentials = std::move(credentials);
    return known;
  }
  EBB_ASSIGN_OR_RETURN(const std::optional<WebIdentity> identity,
                       WebIdentityOf(environment_));
  if (identity.has_value()) {
    EBB_ASSIGN_OR_RETURN(TemporaryCredentials assumed, AssumeRole(*identity));
    known.credentials = std::move(assumed.credentials);
    known.expires = assumed.expires;
    known.read_again =
        std::max(known.read_again, assumed.expires - kBeforeTheEnd);
    return known;
  }
  std::string path = environment_("AWS_SHARED_CREDENTIALS_FILE");
  const bool named = !path.empty();
  if (!named) {
    const std::string home = environment_("HOME");
    if (home.empty()) return known;
    path = absl::StrCat(home, "/.aws/credentials");
  }
  std::string profile = environment_("AWS_PROFILE");
  if (profile.empty()) profile = "default";
  const auto text = ReadSmallFile(path, kMostFileBytes);
  if (!named && absl::IsNotFound(text.status())) return known;
  EBB_RETURN_IF_ERROR(text.status());
  auto parsed = ParseCredentials(*text, profile);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the credentials in ", path, ": ", parsed.status().message()));
  }
  known.credentials = *std::move(parsed);
  return known;
}

absl::StatusOr<std::optional<Credentials>> CredentialsSource::Get(
    absl::Time now) {
  {
    MutexLock lock(&mu_);
    if (now >= known_.since && now < known_.read_again) {
      return known_.credentials;
    }
  }
  absl::StatusOr<Known> read = Read(now);
  MutexLock lock(&mu_);
  if (read.ok()) {
    known_ = *std::move(read);
  } else if (now >= known_.expires) {
    return read.status();
  } else {
    // The program that writes them may be in the middle of it.
    LOG(WARNING) << "event=credentials_not_read " << read.status().message()
                 << "; going on with those from before";
    known_.since = now;
    known_.read_again = now + kReadAgain;
  }
  return known_.credentials;
}

void CredentialsSource::Expire() {
  MutexLock lock(&mu_);
  known_.read_again = absl::InfinitePast();
}

}  // namespace ebb
