#include <grpc/support/log.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/rpc/admin.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/internal/grpc_setup.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "ebb/v1/scheduler.grpc.pb.h"

namespace ebb::rpc {

namespace {

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       int64_t max_message_bytes) {
  TransportOptions options;
  options.max_message_bytes = max_message_bytes;
  return internal::MakeChannel(address, options);
}

void SetDeadline(absl::Duration deadline, grpc::ClientContext* context) {
  if (deadline == absl::InfiniteDuration()) return;
  context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
}

template <typename Response, typename Stub, typename Request, typename Method>
absl::StatusOr<Response> Call(Stub* stub, Method method, const Request& request,
                              absl::Duration deadline) {
  grpc::ClientContext context;
  SetDeadline(deadline, &context);
  Response response;
  const grpc::Status status = (stub->*method)(&context, request, &response);
  if (!status.ok()) return FromGrpcNotCancelled(status);
  return response;
}

}  // namespace

void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

// --- Scheduler ---------------------------------------------------------------

struct SchedulerAdminClient::Impl {
  std::unique_ptr<v1::Scheduler::Stub> stub;
};

SchedulerAdminClient::SchedulerAdminClient(const std::string& address,
                                           int64_t max_message_bytes)
    : impl_(new Impl{
          v1::Scheduler::NewStub(Connect(address, max_message_bytes))}) {}
SchedulerAdminClient::~SchedulerAdminClient() = default;
SchedulerAdminClient::SchedulerAdminClient(SchedulerAdminClient&&) noexcept =
    default;

#define EBB_ADMIN_METHOD(Client, Service, Name)                          \
  absl::StatusOr<v1::Name##Response> Client::Name(                       \
      const v1::Name##Request& request, absl::Duration deadline) {       \
    return Call<v1::Name##Response>(                                     \
        impl_->stub.get(), &v1::Service::Stub::Name, request, deadline); \
  }
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, SubmitJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, ListJobs)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, GetStatus)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, Explain)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, GetJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, CheckpointNow)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, CancelJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, PauseJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, ResumeJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, ScaleJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, RollbackJob)
EBB_ADMIN_METHOD(SchedulerAdminClient, Scheduler, ResolveItem)

// --- Parameter server --------------------------------------------------------

struct PsAdminClient::Impl {
  std::unique_ptr<v1::ParameterServer::Stub> stub;
};

PsAdminClient::PsAdminClient(const std::string& address,
                             int64_t max_message_bytes)
    : impl_(new Impl{
          v1::ParameterServer::NewStub(Connect(address, max_message_bytes))}) {}
PsAdminClient::~PsAdminClient() = default;
PsAdminClient::PsAdminClient(PsAdminClient&&) noexcept = default;

EBB_ADMIN_METHOD(PsAdminClient, ParameterServer, GetLedgers)
EBB_ADMIN_METHOD(PsAdminClient, ParameterServer, ListVersions)
EBB_ADMIN_METHOD(PsAdminClient, ParameterServer, VerifyVersions)
#undef EBB_ADMIN_METHOD

absl::Status PsAdminClient::ReadVersion(const v1::ReadVersionRequest& request,
                                        absl::Duration deadline,
                                        const Receive& receive) {
  grpc::ClientContext context;
  SetDeadline(deadline, &context);
  const auto reader = impl_->stub->ReadVersion(&context, request);
  absl::Status refused;
  v1::ReadVersionResponse piece;
  while (refused.ok() && reader->Read(&piece)) refused = receive(piece);
  if (!refused.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  return refused.ok() ? FromGrpcNotCancelled(status) : refused;
}

}  // namespace ebb::rpc
