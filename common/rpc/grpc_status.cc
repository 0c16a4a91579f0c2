#include "common/rpc/grpc_status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/rpc/internal/check.h"

namespace ebb::rpc {

grpc::Status ToGrpc(const absl::Status& status) {
  constexpr size_t kMaxMessage = 2048;
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(
      static_cast<grpc::StatusCode>(status.code()),
      internal::ValidUtf8(status.message().substr(0, kMaxMessage)));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

absl::Status FromGrpcNotCancelled(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return absl::UnavailableError(absl::StrCat(
        "the other side ended the call: ", status.error_message()));
  }
  return FromGrpc(status);
}

}  // namespace ebb::rpc
