// How many threads of a process wait for the network.
//
// gRPC's callback API has at least two threads that take turns at it, and
// gives nobody a say: each event wakes the other one, and the bytes of one
// message are read now on this core, now on that. On a machine of few cores one
// thread is enough and much faster. So a process whose data plane counts keeps
// the second one busy with waiting:
//
//   const rpc::GrpcPollers pollers(std::thread::hardware_concurrency());
//   rpc::GrpcTransport transport;
//
// Then all callbacks of the process run on one thread, so a callback that waits
// for another waits for ever (transport.h forbids it).
#ifndef EBB_COMMON_RPC_GRPC_POLLERS_H_
#define EBB_COMMON_RPC_GRPC_POLLERS_H_

#include <memory>

namespace ebb::rpc {

// At most one in a process at a time: where a second one, or another gRPC,
// would leave no thread at all, it notices and changes nothing. Before what it
// is to serve, and destroyed after it. The constructor waits for gRPC's
// threads, a moment as a rule and 2 s at most; the destructor gives the thread
// back and waits for that.
class GrpcPollers {
 public:
  // With more cores than this, gRPC's own number is left alone.
  static constexpr int kMostCores = 4;

  explicit GrpcPollers(int cores);
  ~GrpcPollers();
  GrpcPollers(const GrpcPollers&) = delete;
  GrpcPollers& operator=(const GrpcPollers&) = delete;

  // A thread of gRPC waits here.
  bool holds_one() const { return parked_ != nullptr; }

 private:
  class Parked;

  std::unique_ptr<Parked> parked_;
};

}  // namespace ebb::rpc

#endif  // EBB_COMMON_RPC_GRPC_POLLERS_H_
