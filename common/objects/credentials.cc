#include "common/objects/credentials.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/objects/internal/files.h"
#include "common/status_macros.h"
#include "glog/logging.h"

namespace ebb {

namespace {

constexpr absl::Duration kReadAgain = absl::Minutes(1);
constexpr uint64_t kMostFileBytes = 1 << 20;

}  // namespace

std::string ProcessEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
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

absl::StatusOr<std::optional<Credentials>> CredentialsSource::Read() const {
  Credentials credentials = {environment_("AWS_ACCESS_KEY_ID"),
                             environment_("AWS_SECRET_ACCESS_KEY"),
                             environment_("AWS_SESSION_TOKEN")};
  if (credentials.access_key.empty() != credentials.secret_key.empty()) {
    return absl::InvalidArgumentError(
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set, or "
        "neither");
  }
  if (!credentials.access_key.empty()) return credentials;
  std::string path = environment_("AWS_SHARED_CREDENTIALS_FILE");
  const bool named = !path.empty();
  if (!named) {
    const std::string home = environment_("HOME");
    if (home.empty()) return std::nullopt;
    path = absl::StrCat(home, "/.aws/credentials");
  }
  std::string profile = environment_("AWS_PROFILE");
  if (profile.empty()) profile = "default";
  const auto text = ReadSmallFile(path, kMostFileBytes);
  if (!named && absl::IsNotFound(text.status())) return std::nullopt;
  EBB_RETURN_IF_ERROR(text.status());
  auto parsed = ParseCredentials(*text, profile);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the credentials in ", path, ": ", parsed.status().message()));
  }
  return *std::move(parsed);
}

absl::StatusOr<std::optional<Credentials>> CredentialsSource::Get(
    absl::Time now) {
  {
    MutexLock lock(&mu_);
    if (now - read_at_ < kReadAgain && now >= read_at_) return read_;
  }
  absl::StatusOr<std::optional<Credentials>> read = Read();
  MutexLock lock(&mu_);
  if (read.ok()) {
    read_ = *std::move(read);
    known_ = true;
  } else if (!known_) {
    return read.status();
  } else {
    // The program that writes them may be in the middle of it.
    LOG(WARNING) << "event=credentials_not_read " << read.status().message()
                 << "; going on with those from before";
  }
  read_at_ = now;
  return read_;
}

void CredentialsSource::Expire() {
  MutexLock lock(&mu_);
  read_at_ = absl::InfinitePast();
}

}  // namespace ebb
