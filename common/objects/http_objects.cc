#include "common/objects/http_objects.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/objects/internal/pages.h"
#include "common/objects/internal/ranges.h"
#include "common/objects/internal/sigv4.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

// Returns a text that tells one content of a file from another.
std::string EtagOf(const HttpResponse& response) {
  const std::string etag = response.Header("etag");
  return etag.empty() ? response.Header("last-modified") : etag;
}

absl::Status NoRanges(const std::string& url) {
  return absl::FailedPreconditionError(
      absl::StrCat(url,
                   ": the server does not read parts of files; use one "
                   "that knows the header Range"));
}

// The key without what follows it in a URL.
absl::string_view PathOf(absl::string_view key) {
  return key.substr(0, key.find('?'));
}

// A key with a query is a part of a URL, so it is encoded already, but for
// characters that no URL has.
std::string EncodedKey(absl::string_view key) {
  if (PathOf(key).size() == key.size()) return UriEncode(key, true);
  std::string encoded;
  for (const char c : key) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      encoded.push_back(c);
    } else {
      encoded += UriEncode(absl::string_view(&c, 1), true);
    }
  }
  return encoded;
}

}  // namespace

absl::Status HttpObjectsOptions::Validate() const {
  const bool known = absl::StartsWith(base_url, "http://") ||
                     absl::StartsWith(base_url, "https://");
  if (known && absl::EndsWith(base_url, "/") &&
      !absl::StrContains(base_url, '?')) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      base_url, " must begin with http:// or https:// and end with /"));
}

absl::StatusOr<std::unique_ptr<HttpObjects>> HttpObjects::Open(
    HttpObjectsOptions options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  return std::make_unique<HttpObjects>(std::move(options));
}

absl::Status HttpObjects::ToReadOnly() const {
  return absl::FailedPreconditionError(
      absl::StrCat(options_.base_url, " can only be read, file by file"));
}

absl::StatusOr<HttpResponse> HttpObjects::Send(const HttpRequest& request) {
  Retries retries(options_.retries, ++requests_);
  const absl::string_view called = PathOf(request.url);
  std::string why;
  do {
    auto response = client_.Send(request);
    if (response.ok() && !StatusMayPass(response->status)) return response;
    if (!response.ok() && !absl::IsUnavailable(response.status())) {
      return absl::Status(
          response.status().code(),
          absl::StrCat(called, ": ", response.status().message()));
    }
    why = response.ok() ? absl::StrCat("status ", response->status)
                        : std::string(response.status().message());
  } while (retries.Again(absl::StrCat(called, ": ", why)));
  return absl::UnavailableError(
      absl::StrCat(called, ": ", why, "; tried ", retries.tries(),
                   retries.tries() == 1 ? " time" : " times"));
}

absl::StatusOr<ObjectContent> HttpObjects::Get(absl::string_view key,
                                               const GetOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(PathOf(key)));
  HttpRequest request;
  request.method = "GET";
  request.url = absl::StrCat(options_.base_url, EncodedKey(key));
  key = PathOf(key);  // A query may have a secret.
  const std::string called(PathOf(request.url));
  request.most_bytes = std::min(options.bytes, kMostObjectBytes);
  if (!options.whole()) {
    if (options.bytes == 0) {
      return absl::InvalidArgumentError("a range of 0 bytes");
    }
    request.headers.emplace_back("range", RangeHeader(options));
    // A server without ranges would send the whole file.
    request.most_bytes = std::max<uint64_t>(request.most_bytes, 1 << 16);
  }
  // Servers that do not know it are found out below. A weak ETag never matches.
  if (absl::StartsWith(options.if_match, "\"")) {
    request.headers.emplace_back("if-match", options.if_match);
  }
  auto sent = Send(request);
  if (absl::IsResourceExhausted(sent.status()) && !options.whole()) {
    return NoRanges(called);
  }
  EBB_RETURN_IF_ERROR(sent.status());
  HttpResponse& response = *sent;
  const std::string& place = options_.base_url;
  switch (response.status) {
    case 200:
      if (!options.whole()) return NoRanges(called);
      break;
    case 206:
      break;
    case 401:
    case 403:
      return absl::PermissionDeniedError(
          absl::StrCat(called, ": the server refuses it",
                       called.size() < request.url.size()
                           ? "; if the URL is signed, its time may be over"
                           : ""));
    case 404:
    case 410:
      return NoSuchObject(place, key);
    case 412:
      return ObjectChanged(place, key);
    case 416:
      return BeyondObject(place, key, options.offset,
                          WholeSize(response).value_or(0));
    default:
      return absl::UnavailableError(absl::StrCat(
          called, ": unexpected status ", response.status,
          response.Header("location").empty()
              ? ""
              : absl::StrCat("; name ", response.Header("location"),
                             " instead")));
  }
  ObjectContent content;
  content.etag = EtagOf(response);
  if (!options.if_match.empty() && options.if_match != content.etag) {
    return ObjectChanged(place, key);
  }
  content.size = response.status == 206 ? WholeSize(response).value_or(0)
                                        : response.body.size();
  if (response.status == 206 && content.size == 0) {
    return absl::UnavailableError(
        absl::StrCat(called, ": a part without its range"));
  }
  content.bytes = std::move(response.body);
  return content;
}

absl::StatusOr<std::string> HttpObjects::Put(
    absl::string_view key, std::span<const absl::string_view> parts,
    const PutOptions& options) {
  return ToReadOnly();
}

absl::StatusOr<ObjectPage> HttpObjects::List(const ListOptions& options) {
  return ToReadOnly();
}

absl::Status HttpObjects::Delete(absl::string_view key) { return ToReadOnly(); }

}  // namespace ebb
