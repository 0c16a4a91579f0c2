#include <grpc/support/log.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <utility>

#include "common/status_macros.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "ebb/v1/scheduler.grpc.pb.h"
#include "rpc/admin.h"
#include "rpc/admin_rpcs.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_setup.h"
#include "rpc/internal/grpc_time.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/token_messages.h"
#include "rpc/security.h"

namespace ebb::rpc {

namespace {

// A way to a daemon of one role.
template <typename Service>
struct Way {
  Way(const std::string& address, SecurityPtr with, Role role)
      : address(address),
        security(std::move(with)),
        stub(Service::NewStub(internal::MakeChannel(address, TransportOptions(),
                                                    security.get(), role))) {}

  const std::string address;
  const SecurityPtr security;
  const std::unique_ptr<typename Service::Stub> stub;
};

// The token of the request's job, if there is one.
void ShowToken(const Security* security, JobId job,
               grpc::ClientContext* context) {
  if (security == nullptr || security->tokens() == nullptr) return;
  const std::string token = security->tokens()->Own(job);
  if (!token.empty()) context->AddMetadata(internal::kJobTokenKey, token);
}

template <typename Response, typename Service, typename Request,
          typename Method>
absl::StatusOr<Response> Call(const Way<Service>& way, Method method,
                              const Request& request, absl::Duration deadline) {
  grpc::ClientContext context;
  context.set_deadline(internal::DeadlineIn(deadline));
  ShowToken(way.security.get(), internal::JobOf(request), &context);
  Response response;
  const grpc::Status status =
      (way.stub.get()->*method)(&context, request, &response);
  if (!status.ok()) {
    return internal::NamePlainText(FromGrpcNotCancelled(status), way.address);
  }
  return response;
}

}  // namespace

void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

// --- Scheduler ---------------------------------------------------------------

struct SchedulerAdminClient::Impl {
  Way<v1::Scheduler> way;
};

SchedulerAdminClient::SchedulerAdminClient(const std::string& address,
                                           SecurityPtr security)
    : impl_(new Impl{{address, std::move(security), Role::kScheduler}}) {}
SchedulerAdminClient::~SchedulerAdminClient() = default;
SchedulerAdminClient::SchedulerAdminClient(SchedulerAdminClient&&) noexcept =
    default;

#define EBB_ASK(Name, roles, token)                                         \
  absl::StatusOr<v1::Name##Response> SchedulerAdminClient::Name(            \
      const v1::Name##Request& request, absl::Duration deadline) {          \
    return Call<v1::Name##Response>(impl_->way, &v1::Scheduler::Stub::Name, \
                                    request, deadline);                     \
  }
EBB_SCHEDULER_ADMIN_RPCS(EBB_ASK)
#undef EBB_ASK

// --- Parameter server --------------------------------------------------------

struct PsAdminClient::Impl {
  Way<v1::ParameterServer> way;
};

PsAdminClient::PsAdminClient(const std::string& address, SecurityPtr security)
    : impl_(new Impl{{address, std::move(security), Role::kServer}}) {}
PsAdminClient::~PsAdminClient() = default;
PsAdminClient::PsAdminClient(PsAdminClient&&) noexcept = default;

#define EBB_ASK(Name, roles, token)                                       \
  absl::StatusOr<v1::Name##Response> PsAdminClient::Name(                 \
      const v1::Name##Request& request, absl::Duration deadline) {        \
    return Call<v1::Name##Response>(                                      \
        impl_->way, &v1::ParameterServer::Stub::Name, request, deadline); \
  }
EBB_PS_ADMIN_RPCS(EBB_ASK)
#undef EBB_ASK

absl::Status PsAdminClient::ReadVersion(const v1::ReadVersionRequest& request,
                                        absl::Duration deadline,
                                        const Receive& receive) {
  grpc::ClientContext context;
  context.set_deadline(internal::DeadlineIn(deadline));
  ShowToken(impl_->way.security.get(), internal::JobOf(request), &context);
  const auto reader = impl_->way.stub->ReadVersion(&context, request);
  absl::Status refused;
  v1::ReadVersionResponse piece;
  while (refused.ok() && reader->Read(&piece)) refused = receive(piece);
  if (!refused.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  return refused.ok() ? internal::NamePlainText(FromGrpcNotCancelled(status),
                                                impl_->way.address)
                      : refused;
}

}  // namespace ebb::rpc
