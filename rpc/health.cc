#include "rpc/health.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_setup.h"
#include "rpc/internal/grpc_time.h"

namespace ebb::rpc {

namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(500);
constexpr char kCheck[] = "/grpc.health.v1.Health/Check";

class GrpcHealthSocket final : public HealthSocket {
 public:
  GrpcHealthSocket(std::unique_ptr<grpc::CallbackGenericService> nothing,
                   std::unique_ptr<grpc::Server> server,
                   std::function<bool()> ready)
      : nothing_(std::move(nothing)),
        server_(std::move(server)),
        ready_(std::move(ready)) {
    Set(false);
    thread_ = std::thread([this] { Look(); });
  }

  ~GrpcHealthSocket() override {
    {
      MutexLock lock(&mu_);
      stopping_ = true;
      changed_.SignalAll();
    }
    thread_.join();
    Set(false);
    server_->Shutdown(internal::DeadlineIn(absl::ZeroDuration()));
  }

 private:
  void Set(bool serving) {
    server_->GetHealthCheckService()->SetServingStatus(serving);
  }

  void Look() {
    while (true) {
      Set(ready_());
      MutexLock lock(&mu_);
      const absl::Time until = SteadyNow() + kLookEvery;
      while (!stopping_ && SteadyNow() < until) {
        changed_.WaitFor(&mu_, until - SteadyNow());
      }
      if (stopping_) return;
    }
  }

  const std::unique_ptr<grpc::CallbackGenericService> nothing_;
  const std::unique_ptr<grpc::Server> server_;  // Destroyed before that.
  const std::function<bool()> ready_;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// Returns whether a process listens at the path: gRPC would put its own socket
// there. A process with a full queue that accepts no connection counts, too.
bool SomebodyListens(const std::string& path) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (!fd) return false;
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0 ||
         errno == EAGAIN;
}

// HealthCheckResponse is { ServingStatus status = 1 }, and 1 of them SERVING.
absl::StatusOr<Health> Decode(grpc::ByteBuffer* response) {
  grpc::Slice slice;
  if (!response->DumpToSingleSlice(&slice).ok() || slice.size() > 2 ||
      (slice.size() == 2 && *slice.begin() != 0x08)) {
    return absl::InternalError("answers something else than health");
  }
  return slice.size() == 2 && slice.begin()[1] == 1 ? Health::kServing
                                                    : Health::kNotServing;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HealthSocket>> HealthSocket::Start(
    const std::string& path, std::function<bool()> ready) {
  if (path.empty()) return std::unique_ptr<HealthSocket>();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--health-socket ", path, " has more than ",
        sizeof(sockaddr_un::sun_path) - 1, " characters; choose a shorter"));
  }
  // gRPC would say of a file in its place only that it cannot listen.
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return absl::UnavailableError(
        absl::StrCat("--health-socket ", path,
                     " is there and no socket; remove it, or choose another"));
  }
  if (SomebodyListens(path)) {
    return absl::UnavailableError(
        absl::StrCat("--health-socket ", path,
                     " is that of a daemon that runs; choose another"));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials(),
                           &port);
  // gRPC starts no server that has only its own health service.
  auto nothing = std::make_unique<grpc::CallbackGenericService>();
  builder.RegisterCallbackGenericService(nothing.get());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen at --health-socket ", path,
        ": its folder is not there, or not this user's; choose another"));
  }
  return std::make_unique<GrpcHealthSocket>(
      std::move(nothing), std::move(server), std::move(ready));
}

absl::StatusOr<Health> AskHealth(const std::string& address,
                                 const Security* security, Role role,
                                 absl::Duration limit) {
  if (absl::StartsWith(address, "unix:")) security = nullptr;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
      internal::MakeChannel(address, TransportOptions(), security, role));
  grpc::ClientContext context;
  context.set_deadline(internal::DeadlineIn(limit));
  grpc::ByteBuffer request(nullptr, 0), response;
  Mutex mu;
  CondVar changed;
  bool ended = false;
  grpc::Status status;
  stub.UnaryCall(&context, kCheck, {}, &request, &response,
                 [&](grpc::Status how) {
                   MutexLock lock(&mu);
                   status = std::move(how);
                   ended = true;
                   changed.SignalAll();
                 });
  {
    MutexLock lock(&mu);
    while (!ended) changed.Wait(&mu);
  }
  if (!status.ok()) {
    return internal::NamePlainText(FromGrpcNotCancelled(status), address);
  }
  return Decode(&response);
}

}  // namespace ebb::rpc
