#include "rpc/internal/bulk_offer.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "ebb/v1/bulk_stream.grpc.pb.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/cancellable_call.h"
#include "rpc/internal/grpc_security.h"
#include "rpc/internal/tcp_socket.h"

namespace ebb::rpc::internal {

namespace {

class BulkCaller : public BulkAsker {
 public:
  explicit BulkCaller(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::BulkStream::NewStub(channel)) {}

  absl::StatusOr<BulkOffer> Ask() override {
    v1::OpenBulkStreamRequest request;
    request.set_version(kBulkVersion);
    v1::OpenBulkStreamResponse response;
    grpc::ClientContext context;
    EBB_RETURN_IF_ERROR(
        call_.Make(kAskLimit, &context, [&](grpc::ClientContext* of) {
          return stub_->OpenBulkStream(of, request, &response);
        }));
    if (response.port() == 0 || response.port() > 65535) {
      return absl::InternalError("the server named a port that does not exist");
    }
    // The server that answered, whatever its name means by now.
    const auto peer = SplitPeer(context.peer());
    if (!peer.ok()) {
      return absl::FailedPreconditionError(peer.status().message());
    }
    return BulkOffer{peer->host, static_cast<int>(response.port()),
                     response.token()};
  }

  void Cancel() override { call_.Cancel(); }

 private:
  const std::unique_ptr<v1::BulkStream::Stub> stub_;
  CancellableCall call_;
};

class BulkService : public v1::BulkStream::CallbackService {
 public:
  explicit BulkService(BulkHost* host) : host_(host) {}

  grpc::ServerUnaryReactor* OpenBulkStream(
      grpc::CallbackServerContext* context,
      const v1::OpenBulkStreamRequest* request,
      v1::OpenBulkStreamResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    absl::StatusOr<std::string> token =
        host_->Offer(request->version(), NameOfCaller(*context));
    if (token.ok()) {
      response->set_port(static_cast<uint32_t>(host_->port()));
      response->set_token(*token);
    }
    reactor->Finish(ToGrpc(token.status()));
    return reactor;
  }

 private:
  BulkHost* const host_;  // Not owned.
};

}  // namespace

std::unique_ptr<BulkAsker> MakeBulkAsker(
    const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<BulkCaller>(channel);
}

std::unique_ptr<grpc::Service> MakeBulkService(BulkHost* host) {
  return std::make_unique<BulkService>(host);
}

}  // namespace ebb::rpc::internal
