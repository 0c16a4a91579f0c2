#include "rpc/internal/shared_offer.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "common/mutex.h"
#include "common/shm/unix_socket.h"
#include "ebb/v1/shared_memory.grpc.pb.h"
#include "rpc/grpc_status.h"

namespace ebb::rpc::internal {

namespace {

constexpr absl::Duration kAskLimit = absl::Seconds(2);

class Asker : public SharedAsker {
 public:
  explicit Asker(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::SharedMemory::NewStub(channel)) {}

  absl::StatusOr<SharedOffer> Ask() override {
    v1::OpenSharedMemoryRequest request;
    request.set_version(kSharedVersion);
    request.set_boot_id(shm::BootId());
    if (request.boot_id().empty()) {
      return absl::FailedPreconditionError(
          "this machine's boot id cannot be read");
    }
    v1::OpenSharedMemoryResponse response;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kAskLimit));
    {
      MutexLock lock(&mu_);
      if (cancelled_) return absl::CancelledError("the channel goes");
      context_ = &context;
    }
    const grpc::Status status =
        stub_->OpenSharedMemory(&context, request, &response);
    {
      MutexLock lock(&mu_);
      context_ = nullptr;
    }
    if (!status.ok()) return FromGrpc(status);
    return SharedOffer{response.socket_name(), response.token()};
  }

  void Cancel() override {
    MutexLock lock(&mu_);
    cancelled_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  const std::unique_ptr<v1::SharedMemory::Stub> stub_;
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
};

class Service : public v1::SharedMemory::CallbackService {
 public:
  explicit Service(SharedHost* host) : host_(host) {}

  grpc::ServerUnaryReactor* OpenSharedMemory(
      grpc::CallbackServerContext* context,
      const v1::OpenSharedMemoryRequest* request,
      v1::OpenSharedMemoryResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    absl::StatusOr<SharedOffer> offer =
        host_->Offer(request->version(), request->boot_id());
    if (offer.ok()) {
      response->set_socket_name(offer->socket_name);
      response->set_token(offer->token);
    }
    reactor->Finish(ToGrpc(offer.status()));
    return reactor;
  }

 private:
  SharedHost* const host_;  // Not owned.
};

}  // namespace

std::unique_ptr<SharedAsker> MakeSharedAsker(
    const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<Asker>(channel);
}

std::unique_ptr<grpc::Service> MakeSharedService(SharedHost* host) {
  return std::make_unique<Service>(host);
}

}  // namespace ebb::rpc::internal
