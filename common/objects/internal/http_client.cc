#include "common/objects/internal/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

// Connections that wait for a next request.
constexpr size_t kMostIdle = 16;
// libcurl reads and sends this much at once. Its defaults, 16 and 64 KiB, are
// slow for large bodies.
constexpr long kReadBytes = 512 << 10;   // NOLINT(google-runtime-int)
constexpr long kSendBytes = 2048 << 10;  // NOLINT(google-runtime-int)
constexpr uint64_t kLargeBody = uint64_t{1} << 20;
constexpr size_t kMostHeaders = 256;
constexpr size_t kMostHeaderBytes = 16 << 10;

// The state of libcurl's callbacks.
struct Transfer {
  const HttpRequest* request = nullptr;
  HttpResponse response;
  uint64_t sent = 0;  // Bytes of the body.
  bool too_long = false;
};

uint64_t BodyBytes(const HttpRequest& request) {
  uint64_t bytes = 0;
  for (const absl::string_view part : request.body) bytes += part.size();
  return bytes;
}

size_t ReadBody(char* to, size_t size, size_t count, void* data) {
  auto* const transfer = static_cast<Transfer*>(data);
  const size_t room = size * count;
  size_t done = 0;
  uint64_t begin = 0;  // The offset of the part in the body.
  for (const absl::string_view part : transfer->request->body) {
    const uint64_t at = transfer->sent + done;
    if (at < begin + part.size() && done < room) {
      const size_t skip = at - begin;
      const size_t n = std::min(part.size() - skip, room - done);
      std::memcpy(to + done, part.data() + skip, n);
      done += n;
    }
    begin += part.size();
    if (done == room) break;
  }
  transfer->sent += done;
  return done;
}

// libcurl sends the body again on a new connection if the old one was closed.
int SeekBody(void* data, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Transfer*>(data)->sent = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

size_t WriteBody(char* bytes, size_t size, size_t count, void* data) {
  auto* const transfer = static_cast<Transfer*>(data);
  const size_t n = size * count;
  if (transfer->response.body.size() + n > transfer->request->most_bytes) {
    transfer->too_long = true;
    return 0;
  }
  std::string& body = transfer->response.body;
  if (body.empty()) {
    // Else the string grows, and is copied, many times.
    uint64_t expected = 0;
    if (absl::SimpleAtoi(transfer->response.Header("content-length"),
                         &expected)) {
      body.reserve(std::min(expected, transfer->request->most_bytes));
    }
  }
  body.append(bytes, n);
  return n;
}

size_t WriteHeader(char* bytes, size_t size, size_t count, void* data) {
  auto* const transfer = static_cast<Transfer*>(data);
  const size_t n = size * count;
  const absl::string_view line(bytes, n);
  auto& headers = transfer->response.headers;
  // An interim response comes before the one that counts.
  if (absl::StartsWith(line, "HTTP/")) headers.clear();
  const size_t colon = line.find(':');
  if (colon != absl::string_view::npos && headers.size() < kMostHeaders &&
      n <= kMostHeaderBytes) {
    headers[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return n;
}

long Milliseconds(absl::Duration duration) {  // NOLINT(google-runtime-int)
  return static_cast<long>(                   // NOLINT(google-runtime-int)
      absl::ToInt64Milliseconds(duration));
}

using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

HeaderList HeadersOf(const HttpRequest& request) {
  HeaderList list(nullptr, &curl_slist_free_all);
  const auto add = [&list](const std::string& line) {
    curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) std::abort();  // No memory.
    // The list is the same one, by its first element.
    list.release();  // NOLINT(bugprone-unused-return-value)
    list.reset(longer);
  };
  for (const auto& [name, value] : request.headers) {
    add(absl::StrCat(name, ": ", value));
  }
  add("Expect:");  // Do not wait for permission to send a body.
  return list;
}

void InitialiseOnce() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (done != CURLE_OK) std::abort();
}

}  // namespace

bool StatusMayPass(int status) {
  switch (status) {
    case 408:  // The request took too long.
    case 429:  // Too many requests.
      return true;
    case 501:  // Not implemented.
    case 505:  // HTTP version not supported.
    case 507:  // No room.
      return false;
    default:
      return status >= 500;
  }
}

HttpClient::HttpClient(HttpTimeouts timeouts, std::string ca_file)
    : timeouts_(timeouts), ca_file_(std::move(ca_file)) {
  InitialiseOnce();
}

HttpClient::~HttpClient() {
  MutexLock lock(&mu_);
  for (void* const handle : idle_) curl_easy_cleanup(handle);
}

void* HttpClient::Take() {
  {
    MutexLock lock(&mu_);
    if (!idle_.empty()) {
      void* const handle = idle_.back();
      idle_.pop_back();
      return handle;
    }
  }
  void* const handle = curl_easy_init();
  if (handle == nullptr) std::abort();  // No memory.
  return handle;
}

void HttpClient::Return(void* handle) {
  curl_easy_reset(handle);
  {
    MutexLock lock(&mu_);
    if (idle_.size() < kMostIdle) {
      idle_.push_back(handle);
      return;
    }
  }
  curl_easy_cleanup(handle);
}

absl::StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  CURL* const curl = Take();
  Transfer transfer{.request = &request};
  const HeaderList headers = HeadersOf(request);
  char why[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   Milliseconds(timeouts_.connect));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, Milliseconds(timeouts_.whole));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  constexpr uint64_t kLarge = uint64_t{8} << 20;
  const absl::Duration stall =
      BodyBytes(request) > kLarge ? timeouts_.stall_of_large : timeouts_.stall;
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   std::max(1L, Milliseconds(stall) / 1000));
  if (!ca_file_.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file_.c_str());
  }
  if (request.most_bytes > kLargeBody) {
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReadBytes);
  }
  if (BodyBytes(request) > kLargeBody) {
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, kSendBytes);
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &WriteBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &WriteHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(BodyBytes(request)));
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, &ReadBody);
    curl_easy_setopt(curl, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, &SeekBody);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, &transfer);
  } else {
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  }
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;  // NOLINT(google-runtime-int)
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  Return(curl);
  if (transfer.too_long) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the response is longer than ", request.most_bytes, " bytes"));
  }
  if (code != CURLE_OK) {
    return absl::UnavailableError(why[0] != '\0' ? absl::string_view(why)
                                                 : curl_easy_strerror(code));
  }
  transfer.response.status = static_cast<int>(status);
  return std::move(transfer.response);
}

}  // namespace ebb
