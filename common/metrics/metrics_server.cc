#include "common/metrics/metrics_server.h"

#include <httplib.h>

#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/metrics/open_metrics.h"
#include "glog/logging.h"

namespace ebb::metrics {

namespace {

constexpr int kPatienceSeconds = 2;

// Connections that wait do so in the kernel, which bounds them.
class NoQueue final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> serve) override { serve(); }
  void shutdown() override {}
};

class HttpMetricsServer final : public MetricsServer {
 public:
  explicit HttpMetricsServer(std::function<std::string()> text) {
    server_.new_task_queue = [] { return new NoQueue; };
    server_.set_keep_alive_max_count(1);
    server_.set_keep_alive_timeout(kPatienceSeconds);
    server_.set_read_timeout(kPatienceSeconds);
    server_.set_write_timeout(kPatienceSeconds);
    server_.set_payload_max_length(0);
    // The library's own choice lets two processes have one port.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    const auto answer = [text = std::move(text)](const httplib::Request&,
                                                 httplib::Response& response) {
      response.set_content(text(), std::string(OpenMetrics::kContentType));
    };
    server_.Get("/metrics", answer);
  }
  ~HttpMetricsServer() override {
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }

  absl::Status Listen(const MetricsServerOptions& options) {
    const bool bound =
        options.port == 0
            ? (port_ = server_.bind_to_any_port(options.host)) > 0
            : server_.bind_to_port(options.host, port_ = options.port);
    if (!bound) {
      return absl::UnavailableError(absl::StrCat(
          "cannot serve metrics at ", options.host, ":", options.port,
          ": the port is taken, or the address is none of this machine; give "
          "another --metrics-port or --metrics-host"));
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // Else stop() could come before it, and not be seen.
    while (!server_.is_running()) std::this_thread::yield();
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const MetricsServerOptions& options, std::function<std::string()> text) {
  auto server = std::make_unique<HttpMetricsServer>(std::move(text));
  if (const absl::Status listens = server->Listen(options); !listens.ok()) {
    return listens;
  }
  return server;
}

}  // namespace ebb::metrics
