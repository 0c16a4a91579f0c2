// A transport within one process: threads and queues, real time, no network.
// For shells under ThreadSanitizer, and for whole clusters in one test.
//
// Each listener, channel and session has one thread that delivers to it.
// Payloads arrive as the sender's own slices. Admin handlers are not served.
// Addresses are any strings; "NAME:0" picks a number.
#ifndef EBB_RPC_INPROCESS_TRANSPORT_H_
#define EBB_RPC_INPROCESS_TRANSPORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rpc/transport.h"

namespace ebb::rpc {
namespace internal {
class InProcessNetwork;
}

// Thread-safe.
class InProcessTransport : public Transport {
 public:
  explicit InProcessTransport(TransportOptions options = {});
  ~InProcessTransport() override;

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override;
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override;
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override;
  std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) override;
  std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) override;

  // Acts as if the process that listens there were killed: its sessions close
  // at the other side and calls to it fail, with kUnavailable. Its handlers get
  // no more calls until the listener is destroyed (then OnClosed), and messages
  // that it sends go nowhere. The address can be listened on again. No effect
  // if no listener is there.
  void Unplug(const std::string& address);

 private:
  const std::shared_ptr<internal::InProcessNetwork> network_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_INPROCESS_TRANSPORT_H_
