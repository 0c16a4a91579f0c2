#include "rpc/internal/shared_offer.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/status/status.h"
#include "common/shm/unix_socket.h"
#include "common/status_macros.h"
#include "ebb/v1/shared_memory.grpc.pb.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/cancellable_call.h"

namespace ebb::rpc::internal {

namespace {

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
    EBB_RETURN_IF_ERROR(
        call_.Make(kAskLimit, &context, [&](grpc::ClientContext* of) {
          return stub_->OpenSharedMemory(of, request, &response);
        }));
    return SharedOffer{response.socket_name(), response.token()};
  }

  void Cancel() override { call_.Cancel(); }

 private:
  const std::unique_ptr<v1::SharedMemory::Stub> stub_;
  CancellableCall call_;
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
