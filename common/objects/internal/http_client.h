// One HTTP request at a time, by libcurl.
#ifndef EBB_COMMON_OBJECTS_INTERNAL_HTTP_CLIENT_H_
#define EBB_COMMON_OBJECTS_INTERNAL_HTTP_CLIENT_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb {

struct HttpTimeouts {
  absl::Duration connect = absl::Seconds(5);
  // The longest time without a byte. With a large body it is longer, because a
  // server stores that before it answers.
  absl::Duration stall = absl::Seconds(10);
  absl::Duration stall_of_large = absl::Seconds(60);
  absl::Duration whole = absl::Minutes(10);
};

struct HttpRequest {
  std::string method;  // "GET", "PUT", "POST" or "DELETE".
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  // A PUT and a POST send it. Not owned.
  std::span<const absl::string_view> body;
  // A longer body of a response is ResourceExhausted.
  uint64_t most_bytes = 1 << 20;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // By names in lower case.
  std::string body;

  // Empty: there is no such header.
  std::string Header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

// True if a server that answered so may answer otherwise the next time. One
// that lacks something or has no room left will not.
bool StatusMayPass(int status);

// Connections are kept for later requests. It follows no redirection.
// Thread-safe: each request at a time has a connection of its own.
class HttpClient {
 public:
  // Certificates of servers must be signed by one of those in `ca_file`; empty:
  // by one that this machine trusts.
  HttpClient(HttpTimeouts timeouts, std::string ca_file);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Unavailable: no whole response came; the server may have done what was
  // asked.
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request);

 private:
  void* Take();
  void Return(void* handle);

  const HttpTimeouts timeouts_;
  const std::string ca_file_;
  Mutex mu_;
  std::vector<void*> idle_ ABSL_GUARDED_BY(mu_);  // CURL handles.
};

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_INTERNAL_HTTP_CLIENT_H_
