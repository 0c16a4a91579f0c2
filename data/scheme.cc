#include "data/scheme.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ebb::data {
namespace {

// The scheme in lower case; empty: there is none.
std::string SchemeOf(absl::string_view path) {
  const size_t end = path.find("://");
  if (end == absl::string_view::npos || end < 2) return "";
  const absl::string_view scheme = path.substr(0, end);
  const bool good =
      absl::ascii_isalpha(scheme[0]) &&
      std::all_of(scheme.begin(), scheme.end(), [](char c) {
        return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
      });
  return good ? absl::AsciiStrToLower(scheme) : "";
}

std::string AdviceFor(const std::string& scheme, absl::string_view rest) {
  if (scheme == "s3" || scheme == "http" || scheme == "https" ||
      scheme == "ebb") {
    return absl::StrCat(
        "only files of this machine are read here; fetch it "
        "first, and name the copy");
  }
  if (scheme == "s3a" || scheme == "s3n") {
    return absl::StrCat("write s3://", rest);
  }
  if (scheme == "gs" || scheme == "gcs") {
    return absl::StrCat(
        "Google Cloud Storage answers as S3, too: write s3://", rest,
        ", and set AWS_ENDPOINT_URL_S3=https://storage.googleapis.com and its "
        "HMAC keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  if (scheme == "file") {
    // "file://localhost/x" and "file:///x".
    const size_t slash = rest.find('/');
    return absl::StrCat(
        "write the path alone, ",
        slash == absl::string_view::npos ? rest : rest.substr(slash));
  }
  return absl::StrCat(
      "ebb reads files of this machine, s3://, http://, "
      "https:// and ebb://; fetch it first, and name the copy");
}

}  // namespace

bool HasScheme(absl::string_view path) { return !SchemeOf(path).empty(); }

absl::Status CheckLocal(absl::string_view path) {
  const std::string scheme = SchemeOf(path);
  if (scheme.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": ", scheme,
      ":// is not read: ", AdviceFor(scheme, path.substr(scheme.size() + 3))));
}

}  // namespace ebb::data
