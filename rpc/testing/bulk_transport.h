// Bulk streams over the in-process transport, for tests: that is what they fall
// back to, and where offers come from.
#ifndef EBB_RPC_TESTING_BULK_TRANSPORT_H_
#define EBB_RPC_TESTING_BULK_TRANSPORT_H_

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "common/mutex.h"
#include "common/steady_time.h"
#include "gtest/gtest.h"
#include "rpc/inprocess_transport.h"
#include "rpc/internal/bulk_host.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/bulk_session.h"
#include "rpc/internal/bulk_socket.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/internal/tls_context.h"
#include "rpc/internal/traffic.h"
#include "rpc/testing/two_roles.h"
#include "rpc/transport.h"

namespace ebb::rpc {

inline constexpr absl::Duration kBulkTestLimit = absl::Seconds(20);
inline constexpr char kBulkTestHost[] = "127.0.0.1";

// The certificates of both sides; null: plain text. With `peer`, another
// server's, fetches take a connection of their own.
struct BulkTls {
  std::shared_ptr<internal::TlsContext> server, worker;
  std::string worker_name;
  std::shared_ptr<internal::TlsContext> peer;
  std::string peer_name;
};

// Which host listens at an address.
class Hosts {
 public:
  void Set(const std::string& address, internal::BulkHost* host) {
    MutexLock lock(&mu_);
    hosts_[address] = host;
  }
  absl::StatusOr<internal::BulkOffer> Ask(const std::string& address,
                                          const std::string& name) {
    MutexLock lock(&mu_);
    const auto it = hosts_.find(address);
    if (it == hosts_.end() || it->second == nullptr) {
      return absl::UnavailableError("no host is there");
    }
    auto token = it->second->Offer(internal::kBulkVersion, name);
    if (!token.ok()) return token.status();
    return internal::BulkOffer{kBulkTestHost, it->second->port(), *token};
  }
  bool Known(const std::string& address) {
    MutexLock lock(&mu_);
    const auto it = hosts_.find(address);
    return it != hosts_.end() && it->second != nullptr;
  }

 private:
  Mutex mu_;
  std::map<std::string, internal::BulkHost*> hosts_ ABSL_GUARDED_BY(mu_);
};

class HostAsker : public internal::BulkAsker {
 public:
  HostAsker(std::shared_ptr<Hosts> hosts, std::string address, std::string name)
      : hosts_(std::move(hosts)),
        address_(std::move(address)),
        name_(std::move(name)) {}
  absl::StatusOr<internal::BulkOffer> Ask() override {
    return hosts_->Ask(address_, name_);
  }
  void Cancel() override {}

 private:
  const std::shared_ptr<Hosts> hosts_;
  const std::string address_, name_;
};

inline std::unique_ptr<internal::BulkHost> MakeHost(
    PsHandler* handler, internal::Traffic* traffic,
    const TransportOptions& options, int64_t room_bytes = int64_t{1} << 40,
    const BulkTls& tls = {}, internal::Guard guard = {},
    absl::Duration stuck_after = absl::Hours(1)) {
  return *internal::BulkHost::Start(
      {.data = handler,
       .traffic = traffic,
       .most_bytes = options.max_assembled_bytes,
       .guard = std::move(guard)},
      {.host = kBulkTestHost,
       .room_bytes = room_bytes,
       .kept_bytes = int64_t{16} << 20,
       .stream = {.keepalive_time = options.keepalive_time,
                  .keepalive_timeout = options.keepalive_timeout,
                  .stuck_after = stuck_after},
       .tls = tls.server,
       // So that keys change in tests, too.
       .tls_key_bytes = uint64_t{1} << 20});
}

class BulkListener : public Listener {
 public:
  BulkListener(std::shared_ptr<Hosts> hosts, PsHandler* handler,
               const TransportOptions& options, const BulkTls& tls)
      : hosts_(std::move(hosts)),
        traffic_(options.max_calls),
        grace_(options.shutdown_grace),
        host_(MakeHost(handler, &traffic_, options, int64_t{1} << 40, tls)) {}
  ~BulkListener() override {
    if (network_ == nullptr) return;  // The address was taken.
    hosts_->Set(network_->address(), nullptr);
    traffic_.Stop();
    network_.reset();
    host_->Stop(SteadyNow() + grace_);
  }
  void Listen(std::unique_ptr<Listener> network) {
    network_ = std::move(network);
    hosts_->Set(network_->address(), host_.get());
  }
  const std::string& address() const override { return network_->address(); }
  void SetServing(bool serving) override { network_->SetServing(serving); }

 private:
  const std::shared_ptr<Hosts> hosts_;
  internal::Traffic traffic_;
  const absl::Duration grace_;
  const std::unique_ptr<internal::BulkHost> host_;
  std::unique_ptr<Listener> network_;
};

class BulkTransport : public Transport {
 public:
  explicit BulkTransport(const TransportOptions& options, BulkTls tls = {})
      : options_(options), tls_(std::move(tls)), network_(options) {}

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override {
    auto listener =
        std::make_unique<BulkListener>(hosts_, services.data, options_, tls_);
    auto network = network_.ListenPs(address, services);
    if (!network.ok()) return network.status();
    listener->Listen(*std::move(network));
    return listener;
  }
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override {
    return network_.ListenScheduler(address, services);
  }
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override {
    auto channel = Connect(address, tls_.worker, tls_.worker_name);
    if (tls_.peer == nullptr) return channel;
    return std::make_unique<TwoRoles>(
        std::move(channel), Connect(address, tls_.peer, tls_.peer_name));
  }
  std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) override {
    return network_.ConnectWorkerSession(address, handler);
  }
  std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) override {
    return network_.ConnectServerSession(address, handler);
  }

 private:
  std::unique_ptr<PsChannel> Connect(const std::string& address,
                                     std::shared_ptr<internal::TlsContext> tls,
                                     const std::string& name) {
    auto channel = std::make_unique<internal::PreferredChannel>(
        internal::PreferredWay{.name = "bulk-stream", .fetches = true}, address,
        network_.ConnectPs(address),
        *internal::MakeBulkOpener(
            std::make_unique<HostAsker>(hosts_, address, name),
            {.transport = options_, .tls = std::move(tls)}));
    if (hosts_->Known(address)) {
      EXPECT_TRUE(channel->AwaitSession(kBulkTestLimit));
    }
    return channel;
  }

  const TransportOptions options_;
  const BulkTls tls_;
  InProcessTransport network_;
  const std::shared_ptr<Hosts> hosts_ = std::make_shared<Hosts>();
};

// Waits for what other threads do soon.
template <typename Condition>
bool Soon(Condition condition, absl::Duration limit = kBulkTestLimit) {
  const absl::Time end = SteadyNow() + limit;
  while (!condition()) {
    if (SteadyNow() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace ebb::rpc

#endif  // EBB_RPC_TESTING_BULK_TRANSPORT_H_
