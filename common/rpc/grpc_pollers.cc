#include "common/rpc/grpc_pollers.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb::rpc {

namespace {

// For each of two threads; they start when first needed.
constexpr absl::Duration kStart = absl::Seconds(1);

// Runs something on one of gRPC's callback threads: a call on a channel without
// credentials, which fails at once and knows no network.
class Errand {
 public:
  Errand()
      : stub_(grpc::CreateChannel("", nullptr)),
        request_(grpc::ByteBuffer(nullptr, 0)) {}

  void Start(std::function<void()> run) {
    stub_.UnaryCall(&context_, "/ebb/errand", grpc::StubOptions(), &request_,
                    &response_,
                    [run = std::move(run)](const grpc::Status&) { run(); });
  }

 private:
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

}  // namespace

class GrpcPollers::Parked {
 public:
  Parked() {
    StartErrand(&park_, /*stay=*/true);
    if (!BegunInTime(1)) return;
    StartErrand(&probe_, /*stay=*/false);
    // Else there was but one thread, and it is needed.
    good_ = BegunInTime(2);
  }

  ~Parked() {
    MutexLock lock(&mu_);
    release_ = true;
    changed_.SignalAll();
    while (ended_ < started_) changed_.Wait(&mu_);
  }

  bool good() const { return good_; }

 private:
  void StartErrand(Errand* errand, bool stay) {
    {
      MutexLock lock(&mu_);
      ++started_;
    }
    errand->Start([this, stay] {
      MutexLock lock(&mu_);
      ++begun_;
      changed_.SignalAll();
      while (stay && !release_) changed_.Wait(&mu_);
      ++ended_;
      changed_.SignalAll();
    });
  }

  bool BegunInTime(int errands) {
    const absl::Time until = absl::Now() + kStart;
    MutexLock lock(&mu_);
    while (begun_ < errands && absl::Now() < until) {
      changed_.WaitFor(&mu_, until - absl::Now());
    }
    return begun_ >= errands;
  }

  bool good_ = false;  // Constant after construction.
  Mutex mu_;
  CondVar changed_;
  bool release_ ABSL_GUARDED_BY(mu_) = false;
  // Errands.
  int started_ ABSL_GUARDED_BY(mu_) = 0;
  int begun_ ABSL_GUARDED_BY(mu_) = 0;
  int ended_ ABSL_GUARDED_BY(mu_) = 0;
  Errand park_;
  Errand probe_;
};

GrpcPollers::GrpcPollers(int cores) {
  if (cores > kMostCores) return;
  auto parked = std::make_unique<Parked>();
  if (parked->good()) parked_ = std::move(parked);
}

GrpcPollers::~GrpcPollers() = default;

}  // namespace ebb::rpc
