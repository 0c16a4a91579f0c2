// A caller that sends one piece of a message over gRPC, and no more; for tests.
#ifndef EBB_RPC_TESTING_ONE_PIECE_H_
#define EBB_RPC_TESTING_ONE_PIECE_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <memory>

#include "absl/status/status.h"
#include "common/payload.h"
#include "rpc/grpc_status.h"
#include "rpc/internal/grpc_bytes.h"
#include "rpc/testing/two_roles.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {

// For one Send().
class OnePiece
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // `piece` is an encoded one (EncodePiece).
  void Send(const std::shared_ptr<grpc::Channel>& channel, const char* method,
            const Payload& piece) {
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
        channel);
    stub.PrepareBidiStreamingCall(&context, method, {}, this);
    out_ = internal::ToByteBuffer(piece);
    StartRead(&in_);
    StartWrite(&out_);
    StartCall();
  }
  bool ended() { return !ended_.Now().empty(); }
  // Waits for how the call ends.
  absl::Status End() { return ended_.WaitFor(1).at(0); }
  grpc::ClientContext context;

 private:
  void OnDone(const grpc::Status& status) override {
    ended_.Add(FromGrpc(status));
  }
  grpc::ByteBuffer out_, in_;
  Collected<absl::Status> ended_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_TESTING_ONE_PIECE_H_
