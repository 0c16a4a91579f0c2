// A TCP connection that a test can cut or freeze: forwards what reaches it to
// another address of this machine.
#ifndef EBB_RPC_TESTING_TCP_PROXY_H_
#define EBB_RPC_TESTING_TCP_PROXY_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/mutex.h"

namespace ebb::rpc {

// Thread-safe. Failures of sockets end the program: it is for tests.
class TcpProxy {
 public:
  // `target` is "127.0.0.1:PORT".
  explicit TcpProxy(const std::string& target);
  ~TcpProxy();

  const std::string& address() const { return address_; }

  // Acts as if the process at the other end were killed. New ones are accepted.
  void CloseConnections();
  // Acts as if the network or the machine at the other end were gone.
  void StopForwarding() { forwarding_ = false; }

 private:
  struct Pipe {
    int from = -1;
    int to = -1;
  };

  void Accept();
  void Forward(Pipe pipe);

  const int target_port_;
  int listening_ = -1;
  std::string address_;
  std::atomic<bool> forwarding_ = true;  // Read by the forwarding threads.
  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<int> sockets_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  std::thread accepting_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_TESTING_TCP_PROXY_H_
