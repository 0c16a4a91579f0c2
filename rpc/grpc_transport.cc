#include "rpc/grpc_transport.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "glog/logging.h"
#include "rpc/internal/bulk_host.h"
#include "rpc/internal/bulk_offer.h"
#include "rpc/internal/bulk_session.h"
#include "rpc/internal/grpc_client.h"
#include "rpc/internal/grpc_data_service.h"
#include "rpc/internal/grpc_listener.h"
#include "rpc/internal/grpc_setup.h"
#include "rpc/internal/grpc_time.h"
#include "rpc/internal/key_lists.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/shared_channel.h"
#include "rpc/internal/shared_host.h"
#include "rpc/internal/shared_offer.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/internal/tls_context.h"
#include "rpc/internal/traffic.h"

namespace ebb::rpc {

using internal::StoppableService;

namespace {

// Everything that listens beside the services of an address: the faster ways,
// if there are any, and what all ways share; or data sets.
struct Beside {
  std::unique_ptr<internal::Traffic> traffic;
  std::unique_ptr<internal::KeptKeys> kept_keys;
  std::unique_ptr<internal::SharedHost> shared;
  std::unique_ptr<internal::BulkHost> bulk;
  std::vector<std::unique_ptr<grpc::Service>> services;
};

class GrpcListener : public Listener {
 public:
  GrpcListener(Beside beside, std::unique_ptr<StoppableService> service,
               std::unique_ptr<grpc::Server> server, std::string address,
               absl::Duration grace)
      : beside_(std::move(beside)),
        service_(std::move(service)),
        server_(std::move(server)),
        address_(std::move(address)),
        grace_(grace) {}

  ~GrpcListener() override {
    SetServing(false);
    service_->BeginShutdown();
    const absl::Time until = SteadyNow() + grace_;
    server_->Shutdown(internal::DeadlineIn(grace_));
    if (beside_.shared != nullptr) beside_.shared->Stop(until);
    if (beside_.bulk != nullptr) beside_.bulk->Stop(until);
    service_->EndShutdown();
  }

  const std::string& address() const override { return address_; }

  void SetServing(bool serving) override {
    if (auto* health = server_->GetHealthCheckService()) {
      health->SetServingStatus(serving);
    }
  }

 private:
  const Beside beside_;                              // Outlives all below.
  const std::unique_ptr<StoppableService> service_;  // Outlives the server.
  const std::unique_ptr<grpc::Server> server_;
  const std::string address_;
  const absl::Duration grace_;
};

// `received_bytes`: see GrpcTransport; 0: no bound.
absl::StatusOr<std::unique_ptr<Listener>> Listen(
    const std::string& address, const TransportOptions& options,
    const Security* security, int64_t received_bytes,
    std::unique_ptr<StoppableService> service, Beside beside = {}) {
  EBB_RETURN_IF_ERROR(MayListen(security, address));
  grpc::ServerBuilder builder;
  if (received_bytes > 0) {
    grpc::ResourceQuota quota("received");
    quota.Resize(static_cast<size_t>(received_bytes));
    builder.SetResourceQuota(quota);
  }
  int port = 0;
  internal::SetUpServer(address, options, security, &builder, &port);
  builder.RegisterService(service->service());
  for (const auto& one : beside.services) builder.RegisterService(one.get());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen at ", address,
        ": it is no address of this machine, or in use; choose another"));
  }
  std::string actual = address;
  if (absl::EndsWith(address, ":0")) {
    actual = absl::StrCat(absl::StripSuffix(address, "0"), port);
  }
  return std::make_unique<GrpcListener>(std::move(beside), std::move(service),
                                        std::move(server), std::move(actual),
                                        options.shutdown_grace);
}

}  // namespace

namespace {

// Blocks that a server keeps for the next pushes of bulk streams.
constexpr int64_t kBulkKeptBytes = int64_t{64} << 20;

internal::Guard GuardOf(const Security* security) {
  if (security == nullptr) return {};
  return {security->tokens(), security->refusals(), security->keys()};
}

}  // namespace

GrpcTransport::GrpcTransport(TransportOptions options, int64_t received_bytes,
                             SecurityPtr security)
    : options_(std::move(options)),
      received_bytes_(received_bytes),
      security_(std::move(security)),
      tls_(security_ == nullptr || !security_->tls()
               ? nullptr
               : std::make_shared<internal::TlsContext>(security_->files())) {
  // gRPC has this for the whole process only.
  grpc::EnableDefaultHealthCheckService(true);
}

// `room_bytes`: of messages that arrive; 0: as many as of gRPC's pieces.
absl::StatusOr<std::unique_ptr<internal::BulkHost>> GrpcTransport::StartBulk(
    const std::string& address, const PsServices& services,
    internal::Traffic* traffic, internal::KeptKeys* kept_keys,
    int64_t room_bytes) const {
  EBB_RETURN_IF_ERROR(MayListen(security_.get(), address));
  EBB_ASSIGN_OR_RETURN(const internal::HostAndPort split,
                       internal::SplitAddress(address));
  const int64_t room =
      room_bytes > 0 ? room_bytes : options_.max_assembled_bytes;
  return internal::BulkHost::Start(
      {.data = services.data,
       .traffic = traffic,
       .most_bytes = options_.max_assembled_bytes,
       .guard = GuardOf(security_.get()),
       .kept_keys = kept_keys},
      {.host = split.host,
       .port = options_.bulk_port,
       .room_bytes = room,
       .kept_bytes = std::min(kBulkKeptBytes, room / 4),
       .stream = {.keepalive_time = options_.keepalive_time,
                  .keepalive_timeout = options_.keepalive_timeout},
       .tls = tls_});
}

absl::StatusOr<std::unique_ptr<Listener>> GrpcTransport::ListenPs(
    const std::string& address, PsServices services) {
  Beside beside;
  beside.traffic = std::make_unique<internal::Traffic>(options_.max_calls);
  beside.kept_keys = std::make_unique<internal::KeptKeys>();
  if (options_.shared_memory && received_bytes_ == 0 &&
      services.data != nullptr && services.files != nullptr) {
    auto host =
        internal::SharedHost::Start({.data = services.data,
                                     .files = services.files,
                                     .traffic = beside.traffic.get(),
                                     .most_bytes = options_.max_assembled_bytes,
                                     .guard = GuardOf(security_.get())});
    if (host.ok()) {
      beside.shared = *std::move(host);
      beside.services.push_back(
          internal::MakeSharedService(beside.shared.get()));
    } else {
      LOG(WARNING) << "no worker can use shared memory: "
                   << host.status().message();
    }
  }
  int64_t received_bytes = received_bytes_;
  if (options_.bulk_stream && services.data != nullptr) {
    const int64_t bulk_bytes = received_bytes / 2;
    auto host = StartBulk(address, services, beside.traffic.get(),
                          beside.kept_keys.get(), bulk_bytes);
    if (host.ok()) {
      received_bytes -= bulk_bytes;
      beside.bulk = *std::move(host);
      beside.services.push_back(internal::MakeBulkService(beside.bulk.get()));
    } else {
      LOG(WARNING) << "no process can use a bulk stream: "
                   << host.status().message();
    }
  }
  TransportOptions options = options_;
  if (received_bytes > 0) {
    options.max_assembled_bytes =
        std::min(options.max_assembled_bytes, received_bytes / 4 * 3);
  }
  auto service =
      internal::MakePsService(services, options, beside.traffic.get(),
                              GuardOf(security_.get()), beside.kept_keys.get());
  return Listen(address, options_, security_.get(), received_bytes,
                std::move(service), std::move(beside));
}

absl::StatusOr<std::unique_ptr<Listener>> GrpcTransport::ListenScheduler(
    const std::string& address, SchedulerServices services) {
  Beside beside;
  if (data_.sets != nullptr || data_.initial != nullptr) {
    beside.services.push_back(
        internal::MakeDataService(data_, GuardOf(security_.get())));
  }
  return Listen(address, options_, security_.get(), /*received_bytes=*/0,
                internal::MakeSchedulerService(services, options_,
                                               GuardOf(security_.get())),
                std::move(beside));
}

std::unique_ptr<PsChannel> GrpcTransport::ConnectPs(
    const std::string& address) {
  const std::shared_ptr<grpc::Channel> channel =
      internal::MakeChannel(address, options_, security_.get(), Role::kServer);
  const auto sent_keys = std::make_shared<internal::SentKeys>();
  std::unique_ptr<PsChannel> network = internal::ConnectGrpcPs(
      channel, options_, GuardOf(security_.get()), sent_keys);
  if (options_.bulk_stream) {
    auto opener = internal::MakeBulkOpener(internal::MakeBulkAsker(channel),
                                           {.transport = options_,
                                            .guard = GuardOf(security_.get()),
                                            .sent_keys = sent_keys,
                                            .tls = tls_});
    if (opener.ok()) {
      network = std::make_unique<internal::PreferredChannel>(
          internal::PreferredWay{.name = "bulk-stream", .fetches = true},
          address, std::move(network), *std::move(opener));
    } else {
      LOG(WARNING) << "server=" << address
                   << " no bulk stream: " << opener.status().message();
    }
  }
  if (!options_.shared_memory) return network;
  return std::make_unique<internal::SharedChannel>(
      address, std::move(network), internal::MakeSharedAsker(channel),
      options_.max_assembled_bytes, options_.heap, GuardOf(security_.get()));
}

std::unique_ptr<WorkerSession> GrpcTransport::ConnectWorkerSession(
    const std::string& address, WorkerSessionHandler* handler) {
  return internal::ConnectGrpcWorkerSession(
      internal::MakeChannel(address, options_, security_.get(),
                            Role::kScheduler),
      options_, GuardOf(security_.get()), handler);
}

std::unique_ptr<ServerSession> GrpcTransport::ConnectServerSession(
    const std::string& address, ServerSessionHandler* handler) {
  return internal::ConnectGrpcServerSession(
      internal::MakeChannel(address, options_, security_.get(),
                            Role::kScheduler),
      options_, GuardOf(security_.get()), handler);
}

}  // namespace ebb::rpc
