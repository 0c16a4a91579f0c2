// GET /metrics over HTTP.
#ifndef EBB_COMMON_METRICS_METRICS_SERVER_H_
#define EBB_COMMON_METRICS_METRICS_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace ebb::metrics {

struct MetricsServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: one that is free.
};

// Answers one request at a time, on a thread of its own: a slow client delays
// only other clients, for some seconds. It uses plain text, as the content is
// not secret; it reads only the first lines of a request.
//
// Thread-safe.
class MetricsServer {
 public:
  // `text` makes the answer (open_metrics.h); it is called on the server's
  // thread until the object is destroyed. Unavailable: the port is taken.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      const MetricsServerOptions& options, std::function<std::string()> text);
  virtual ~MetricsServer() = default;

  virtual int port() const = 0;
};

}  // namespace ebb::metrics

#endif  // EBB_COMMON_METRICS_METRICS_SERVER_H_
