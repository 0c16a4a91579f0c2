// The network between the daemons of one machine, to be disturbed: a TCP proxy
// in this process.
//
//   EBB_ASSIGN_OR_RETURN(auto proxy, Proxy::Start());
//   // ps-0 advertises `address`, so that all reach it through the proxy.
//   EBB_ASSIGN_OR_RETURN(std::string address, proxy->Front("ps-0", ""));
//   ... ps-0 is started, and serves at 127.0.0.1:40001 ...
//   EBB_RETURN_IF_ERROR(proxy->SetTarget("ps-0", "127.0.0.1:40001"));
//   proxy->SetDaemons({{pid_of_ps_0, "ps-0"}, {pid_of_worker_1, "worker-1"}});
//   proxy->Set("worker-1", "ps-0", {.split = true});
//   proxy->Set("worker-1", "ps-0", {});  // Healed.
#ifndef EBB_TOOLS_CHAOS_PROXY_H_
#define EBB_TOOLS_CHAOS_PROXY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "tools/chaos/shaped_pipe.h"
#include "tools/chaos/socket_owner.h"

namespace ebb::chaos {

class Relay;

// The name of an opener of connections that is not a named daemon.
inline constexpr char kOther[] = "other";

// Carries connections to daemons that have a front. A *link* is all connections
// between two daemons, by exact name, whichever opened them. The opener is
// found by its socket in /proc. Bytes of a connection arrive in order, each
// once, whatever is set meanwhile. Its end (a FIN, for each direction; a reset)
// comes after the bytes before it, as shaped as they are.
//
// Bounded: for each direction of a connection it holds what LinkWay::capacity()
// says, and then reads no more. Takes two descriptors a connection: a caller
// that expects more than RLIMIT_NOFILE allows raises that. While descriptors
// are short, connections wait to be accepted.
//
// Thread-safe. One thread of its own does all the work; a method returns when
// that thread has done what it asks for, which takes milliseconds at most.
class Proxy {
 public:
  // kResourceExhausted: no descriptors.
  static absl::StatusOr<std::unique_ptr<Proxy>> Start();
  // Closes everything.
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Opens a door, "127.0.0.1:PORT", that leads to `daemon`, which listens at
  // `target` (as SetTarget has it). The address stays while the proxy lives.
  // AlreadyExists: the daemon has one. InvalidArgument: see SetTarget.
  absl::StatusOr<std::string> Front(const std::string& daemon,
                                    const std::string& target);

  // From now on new connections lead to "127.0.0.1:PORT" or "localhost:PORT".
  // If it is empty, or no process listens there, they are reset at once. Open
  // ones stay. InvalidArgument: no such address. NotFound: no front.
  absl::Status SetTarget(const std::string& daemon, const std::string& target);

  // Sets the present processes of the daemons. Call it after each start of one.
  // A connection whose opener was not known (kOther) is looked up again; one of
  // a process that is gone meanwhile stays unchanged.
  void SetDaemons(std::vector<DaemonProcess> daemons);

  // Sets the link between `a` and `b` from now on, for open connections and new
  // ones; {}: healed. Bytes under way are held or delayed, too.
  //
  // While it is split, new connections are accepted and silent. They are
  // connected when it is healed, unless their opener has closed or ended its
  // side by then: those are forgotten, with what was sent on them.
  void Set(const std::string& a, const std::string& b, const LinkState& state);

  // Resets the link's open connections, both ends, and returns how many.
  int Drop(const std::string& a, const std::string& b);

  // Bytes that came from `from` and were delivered to `to` until now.
  int64_t Carried(const std::string& from, const std::string& to);

 private:
  struct Call;

  explicit Proxy(std::unique_ptr<Relay> relay);
  void Run();
  // On the thread of the proxy; waits for it.
  void Do(absl::FunctionRef<void()> task);

  // The thread's alone, but for Relay::Wake.
  const std::unique_ptr<Relay> relay_;

  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Call*> calls_ ABSL_GUARDED_BY(mu_);  // Not owned.
  CondVar done_;                                   // Some call is.

  std::thread thread_;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_PROXY_H_
