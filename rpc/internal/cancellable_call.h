// A blocking call over gRPC that another thread may end.
#ifndef EBB_RPC_INTERNAL_CANCELLABLE_CALL_H_
#define EBB_RPC_INTERNAL_CANCELLABLE_CALL_H_

#include <grpcpp/client_context.h>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_time.h"

namespace ebb::rpc::internal {

// How long a server may take to answer that it offers something.
inline constexpr absl::Duration kAskLimit = absl::Seconds(2);

// Thread-safe; one call at a time.
class CancellableCall {
 public:
  // Calls `call` with `context`, which is new, for at most `limit`.
  absl::Status Make(
      absl::Duration limit, grpc::ClientContext* context,
      absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
    context->set_deadline(DeadlineIn(limit));
    {
      MutexLock lock(&mu_);
      if (cancelled_) return absl::CancelledError("the channel goes");
      context_ = context;
    }
    const grpc::Status status = call(context);
    {
      MutexLock lock(&mu_);
      context_ = nullptr;
    }
    return FromGrpc(status);
  }

  // The call ends soon, and so do later ones.
  void Cancel() {
    MutexLock lock(&mu_);
    cancelled_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_CANCELLABLE_CALL_H_
