#include "common/objects/s3_objects.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/objects/internal/pages.h"
#include "common/objects/internal/ranges.h"
#include "common/objects/internal/s3_xml.h"
#include "common/objects/internal/sigv4.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

constexpr absl::string_view kScheme = "s3://";
// A document with an error, and what a proxy may say instead.
constexpr uint64_t kMostErrorBytes = 1 << 20;

bool IsAws(const S3Options& options) { return options.endpoint.empty(); }

// A name with dots does not fit the certificate of "BUCKET.s3...".
bool InHostName(const S3Options& options) {
  return IsAws(options) && !absl::StrContains(options.bucket, '.');
}

std::string HostOf(const S3Options& options) {
  if (!IsAws(options)) {
    return options.endpoint.substr(options.endpoint.find("://") + 3);
  }
  const std::string host =
      absl::StrCat("s3.", options.region, ".amazonaws.com");
  return InHostName(options) ? absl::StrCat(options.bucket, ".", host) : host;
}

std::string BaseUrlOf(const S3Options& options) {
  return IsAws(options) ? absl::StrCat("https://", HostOf(options))
                        : options.endpoint;
}

// The server may answer otherwise the next time.
bool MayPass(const HttpResponse& response, const S3Error& error) {
  if (StatusMayPass(response.status)) return true;
  switch (response.status) {
    case 409:
      return error.code == "ConditionalRequestConflict" ||
             error.code == "OperationAborted";
    case 400:
      return error.code == "RequestTimeout";
    default:
      return false;
  }
}

bool Expired(const S3Error& error) {
  return error.code == "ExpiredToken" || error.code == "TokenRefreshRequired" ||
         error.code == "InvalidAccessKeyId";
}

std::string Quoted(const S3Error& error) {
  if (error.code.empty()) return "";
  return absl::StrCat(" (", error.code, error.message.empty() ? "" : ": ",
                      error.message, ")");
}

}  // namespace

absl::Status S3Options::Validate() const {
  bool good = bucket.size() >= 3 && bucket.size() <= 63;
  for (const char c : bucket) {
    good = good && (absl::ascii_islower(static_cast<unsigned char>(c)) ||
                    absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                    c == '-' || c == '.');
  }
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", bucket,
                     "\" cannot be the name of a bucket: it must have 3 to "
                     "63 lower-case letters, digits, \"-\" and \".\""));
  }
  if (!prefix.empty()) {
    absl::string_view key = prefix;
    if (!absl::ConsumeSuffix(&key, "/")) {
      return absl::InvalidArgumentError("the prefix does not end with /");
    }
    EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  }
  absl::string_view host = endpoint;
  if (!host.empty() &&
      ((!absl::ConsumePrefix(&host, "http://") &&
        !absl::ConsumePrefix(&host, "https://")) ||
       host.empty() || host.find_first_of("/?#@") != host.npos)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the endpoint ", endpoint,
                     " must be http://HOST:PORT or https://HOST:PORT"));
  }
  for (const char c : region) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", region, "\" cannot be the name of a region"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<S3Options> ParseS3Url(absl::string_view url,
                                     const Environment& environment) {
  const std::string whole(url);
  if (!absl::ConsumePrefix(&url, kScheme)) {
    return absl::InvalidArgumentError(
        absl::StrCat(whole, " does not begin with ", kScheme));
  }
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(url, absl::MaxSplits('/', 1));
  S3Options options;
  options.bucket = parts.first;
  options.prefix = parts.second;
  if (!options.prefix.empty() && options.prefix.back() != '/') {
    options.prefix += '/';
  }
  const std::string region =
      EnvironmentOr(environment, "AWS_REGION", "AWS_DEFAULT_REGION");
  if (!region.empty()) options.region = region;
  options.endpoint =
      EnvironmentOr(environment, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
  while (!options.endpoint.empty() && options.endpoint.back() == '/') {
    options.endpoint.pop_back();
  }
  options.ca_file = environment("AWS_CA_BUNDLE");
  options.environment = environment;
  const absl::Status valid = options.Validate();
  if (!valid.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(whole, ": ", valid.message()));
  }
  return options;
}

absl::StatusOr<std::unique_ptr<S3Objects>> S3Objects::Open(S3Options options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  return std::make_unique<S3Objects>(std::move(options));
}

absl::StatusOr<std::unique_ptr<S3Objects>> S3Objects::OpenUrl(
    absl::string_view url, const Environment& environment,
    const RetryOptions& retries) {
  EBB_ASSIGN_OR_RETURN(S3Options options, ParseS3Url(url, environment));
  options.retries = retries;
  return Open(std::move(options));
}

S3Objects::S3Objects(S3Options options)
    : options_(std::move(options)),
      place_(absl::StrCat(kScheme, options_.bucket, "/", options_.prefix)),
      host_(HostOf(options_)),
      base_url_(BaseUrlOf(options_)),
      base_path_(InHostName(options_) ? ""
                                      : absl::StrCat("/", options_.bucket)),
      credentials_(options_.environment),
      client_(options_.timeouts, options_.ca_file) {}

std::string S3Objects::NameOf(const Call& call) const {
  return absl::StrCat(kScheme, options_.bucket, "/", call.key);
}

// --- Requests ----------------------------------------------------------------

HttpRequest S3Objects::Sign(
    const Call& call, const std::optional<Credentials>& credentials) const {
  UnsignedRequest to_sign;
  to_sign.method = call.method;
  to_sign.path = absl::StrCat(base_path_, "/", call.key);
  to_sign.query = call.query;
  to_sign.headers = call.headers;
  to_sign.headers["host"] = host_;
  to_sign.payload_sha256 = call.body_sha256;
  to_sign.headers["x-amz-content-sha256"] = call.body_sha256;
  const SigningScope scope{options_.now(), options_.region, "s3"};
  to_sign.headers["x-amz-date"] = AmzDate(scope.time);
  if (credentials.has_value() && !credentials->session_token.empty()) {
    to_sign.headers["x-amz-security-token"] = credentials->session_token;
  }
  HttpRequest request;
  request.method = call.method;
  request.url = absl::StrCat(base_url_, UriEncode(to_sign.path, true));
  if (!call.query.empty()) {
    absl::StrAppend(&request.url, "?", EncodeQuery(call.query));
  }
  request.body = call.body;
  request.most_bytes = std::max(call.most_bytes, kMostErrorBytes);
  for (const auto& [name, value] : to_sign.headers) {
    request.headers.emplace_back(name, value);
  }
  if (credentials.has_value()) {
    request.headers.emplace_back("authorization",
                                 Authorization(to_sign, *credentials, scope));
  }
  return request;
}

absl::StatusOr<HttpResponse> S3Objects::SendOnce(const Call& call) {
  for (int i = 0;; ++i) {
    const auto credentials = credentials_.Get(options_.now());
    if (!credentials.ok()) {
      // A token service may answer the next time.
      if (absl::IsUnavailable(credentials.status())) {
        return credentials.status();
      }
      // Says nothing about the object.
      return absl::PermissionDeniedError(credentials.status().message());
    }
    ++requests_;
    EBB_ASSIGN_OR_RETURN(HttpResponse response,
                         client_.Send(Sign(call, *credentials)));
    const bool refused = response.status == 403 || response.status == 400;
    if (i > 0 || !refused || !Expired(ParseS3Error(response.body))) {
      return response;
    }
    // Another program may have renewed them in their file.
    credentials_.Expire();
  }
}

absl::StatusOr<HttpResponse> S3Objects::Send(const Call& call, bool* unsure) {
  Retries retries(options_.retries, static_cast<uint64_t>(requests_.load()));
  std::string why;
  do {
    auto response = SendOnce(call);
    if (response.ok()) {
      S3Error error;
      if (response->status >= 300) error = ParseS3Error(response->body);
      if (!MayPass(*response, error)) {
        return response;
      }
      why = absl::StrCat("status ", response->status, Quoted(error));
    } else if (absl::IsUnavailable(response.status())) {
      why = std::string(response.status().message());
    } else {
      return absl::Status(
          response.status().code(),
          absl::StrCat(NameOf(call), ": ", response.status().message()));
    }
    if (unsure != nullptr) *unsure = true;
  } while (retries.Again(absl::StrCat(NameOf(call), ": ", why)));
  return absl::UnavailableError(
      absl::StrCat(NameOf(call), ": ", why, "; tried ", retries.tries(),
                   retries.tries() == 1 ? " time" : " times"));
}

absl::Status S3Objects::ErrorOf(const Call& call,
                                const HttpResponse& response) const {
  const S3Error error = ParseS3Error(response.body);
  const std::string name = NameOf(call);
  std::string region = response.Header("x-amz-bucket-region");
  if (region.empty()) region = error.region;
  const bool elsewhere = response.status == 301 || response.status == 307 ||
                         error.code == "AuthorizationHeaderMalformed" ||
                         error.code == "PermanentRedirect" ||
                         error.code == "IllegalLocationConstraintException";
  if (elsewhere && region != options_.region) {
    return absl::UnavailableError(absl::StrCat(
        name, ": the bucket is not in region ", options_.region,
        region.empty()
            ? "; set AWS_REGION to its region"
            : absl::StrCat(", but in ", region, "; set AWS_REGION=", region),
        Quoted(error)));
  }
  if (error.code == "RequestTimeTooSkewed") {
    absl::Time there;
    std::string unused;
    const bool known = absl::ParseTime(
        "%a, %d %b %Y %H:%M:%S GMT", response.Header("date"), &there, &unused);
    const absl::Duration off =
        absl::Trunc(options_.now() - there, absl::Seconds(1));
    return absl::PermissionDeniedError(
        absl::StrCat(name, ": the clock of this machine is wrong",
                     known ? absl::StrCat(" by ", absl::FormatDuration(off),
                                          ", says the server's")
                           : "",
                     "; set it, and keep it by NTP", Quoted(error)));
  }
  if (error.code == "NoSuchBucket") {
    return absl::UnavailableError(
        absl::StrCat("there is no bucket ", options_.bucket, " at ", base_url_,
                     "; create it, or correct the name"));
  }
  if (error.code == "SignatureDoesNotMatch") {
    return absl::PermissionDeniedError(absl::StrCat(
        name,
        ": the secret key is not that of the access key, or a proxy changes "
        "requests",
        Quoted(error)));
  }
  if (error.code == "QuotaExceeded" || response.status == 507) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, ": the bucket is full", Quoted(error)));
  }
  // Any other 404 may come from what stands before the server.
  if (response.status == 404 && error.code == "NoSuchKey" &&
      !call.key.empty()) {
    return NoSuchObject("", name);
  }
  switch (response.status) {
    case 401:
    case 403:
      return absl::PermissionDeniedError(absl::StrCat(
          name,
          ": the server refuses it; look at the credentials, and at "
          "what they may do in this bucket",
          Quoted(error)));
    case 501:
      return absl::UnavailableError(absl::StrCat(
          name, ": the server does not know a header of the request",
          Quoted(error)));
    default:
      return absl::UnavailableError(absl::StrCat(
          name, ": unexpected status ", response.status, Quoted(error)));
  }
}

// --- The store ---------------------------------------------------------------

absl::StatusOr<ObjectContent> S3Objects::Get(absl::string_view key,
                                             const GetOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  Call call;
  call.method = "GET";
  call.key = absl::StrCat(options_.prefix, key);
  call.body_sha256 = HexSha256({});
  call.most_bytes = std::min(options.bytes, kMostObjectBytes);
  if (!options.whole()) {
    if (options.bytes == 0) {
      return absl::InvalidArgumentError("a range of 0 bytes");
    }
    call.headers["range"] = RangeHeader(options);
  }
  if (!options.if_match.empty()) call.headers["if-match"] = options.if_match;
  EBB_ASSIGN_OR_RETURN(HttpResponse response, Send(call, nullptr));
  if (response.status == 412) return ObjectChanged(place_, key);
  if (response.status == 416) {
    return BeyondObject(place_, key, options.offset,
                        WholeSize(response).value_or(0));
  }
  ObjectContent content;
  content.etag = response.Header("etag");
  if (response.status == 206 && !options.whole()) {
    const auto size = WholeSize(response);
    if (!size.has_value()) {
      return absl::UnavailableError(
          absl::StrCat(NameOf(call), ": a part without its range"));
    }
    content.size = *size;
  } else if (response.status == 200 && options.whole()) {
    content.size = response.body.size();
  } else if (response.status == 200) {
    return absl::UnavailableError(absl::StrCat(
        NameOf(call), ": the server does not read parts of objects"));
  } else {
    return ErrorOf(call, response);
  }
  if (!options.if_match.empty() && content.etag != options.if_match) {
    return ObjectChanged(place_, key);
  }
  content.bytes = std::move(response.body);
  return content;
}

absl::StatusOr<std::string> S3Objects::SameThere(
    absl::string_view key, std::span<const absl::string_view> parts) {
  EBB_ASSIGN_OR_RETURN(ObjectContent there, Get(key, {}));
  uint64_t at = 0;
  for (const absl::string_view part : parts) {
    if (absl::string_view(there.bytes)
            .substr(std::min<uint64_t>(at, there.bytes.size()), part.size()) !=
        part) {
      return ObjectIsThere(place_, key);
    }
    at += part.size();
  }
  if (at != there.bytes.size()) return ObjectIsThere(place_, key);
  return there.etag;
}

absl::StatusOr<std::string> S3Objects::Put(
    absl::string_view key, std::span<const absl::string_view> parts,
    const PutOptions& options) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  Call call;
  call.method = "PUT";
  call.key = absl::StrCat(options_.prefix, key);
  call.body = parts;
  call.body_sha256 = HexSha256(parts);
  uint64_t bytes = 0;
  for (const absl::string_view part : parts) bytes += part.size();
  if (bytes > kMostObjectBytes) return ObjectTooLarge(place_, key);
  if (options.create_only) call.headers["if-none-match"] = "*";
  if (!options.if_match.empty()) call.headers["if-match"] = options.if_match;
  bool unsure = false;
  auto answer = Send(call, &unsure);
  if (answer.ok() && answer->status == 412 &&
      absl::StartsWith(options.if_match, "\"")) {
    // radosgw 16 compares with an ETag without its quotes.
    call.headers["if-match"] =
        absl::StrReplaceAll(options.if_match, {{"\"", ""}});
    answer = Send(call, &unsure);
  }
  if (!answer.ok()) {
    // The last try may have succeeded nevertheless.
    if (unsure && options.create_only) {
      auto same = SameThere(key, parts);
      if (same.ok() || absl::IsAlreadyExists(same.status())) return same;
    }
    return answer.status();
  }
  const HttpResponse& response = *answer;
  if (response.status == 412 && options.create_only) {
    auto same = SameThere(key, parts);
    // Deleted meanwhile: it was there.
    if (absl::IsNotFound(same.status())) return ObjectIsThere(place_, key);
    return same;
  }
  if (!options.if_match.empty() &&
      (response.status == 412 || response.status == 404)) {
    // libcurl repeats some requests by itself, and does not say so.
    auto same = SameThere(key, parts);
    if (same.ok()) return same;
    const bool other =
        absl::IsNotFound(same.status()) || absl::IsAlreadyExists(same.status());
    return other ? ObjectChanged(place_, key) : same.status();
  }
  if (response.status != 200 && response.status != 201) {
    return ErrorOf(call, response);
  }
  return response.Header("etag");
}

absl::StatusOr<ObjectPage> S3Objects::List(const ListOptions& options) {
  Call call;
  call.method = "GET";
  call.body_sha256 = HexSha256({});
  call.query = {{"list-type", "2"},
                {"max-keys", absl::StrCat(options.most)},
                {"prefix", absl::StrCat(options_.prefix, options.prefix)}};
  if (options.folders) call.query["delimiter"] = "/";
  if (!options.after.empty()) call.query["continuation-token"] = options.after;
  call.most_bytes = kMostXmlBytes;
  EBB_ASSIGN_OR_RETURN(const HttpResponse answer, Send(call, nullptr));
  if (answer.status != 200) return ErrorOf(call, answer);
  auto page = ParseListing(answer.body);
  if (!page.ok()) {
    return absl::Status(
        page.status().code(),
        absl::StrCat(NameOf(call), ": ", page.status().message()));
  }
  const auto strip = [&](std::string* key) {
    if (!absl::StartsWith(*key, options_.prefix)) return false;
    key->erase(0, options_.prefix.size());
    return absl::StartsWith(*key, options.prefix);
  };
  bool below = true;
  for (ListedObject& object : page->objects) below &= strip(&object.key);
  for (std::string& folder : page->folders) below &= strip(&folder);
  if (!below) {
    return absl::UnavailableError(
        absl::StrCat(place_, options.prefix, ": the server lists other keys"));
  }
  // "Folders" that other tools made: an object of the name of the prefix.
  std::erase_if(page->objects, [](const ListedObject& object) {
    return object.key.empty() || absl::EndsWith(object.key, "/");
  });
  return page;
}

absl::Status S3Objects::Delete(absl::string_view key) {
  EBB_RETURN_IF_ERROR(CheckObjectKey(key));
  Call call;
  call.method = "DELETE";
  call.key = absl::StrCat(options_.prefix, key);
  call.body_sha256 = HexSha256({});
  EBB_ASSIGN_OR_RETURN(const HttpResponse answer, Send(call, nullptr));
  const int status = answer.status;
  if (status == 200 || status == 204) return absl::OkStatus();
  const absl::Status error = ErrorOf(call, answer);
  return absl::IsNotFound(error) ? absl::OkStatus() : error;
}

}  // namespace ebb
