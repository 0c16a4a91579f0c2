// The connections of a host, each with a thread that serves it.
#ifndef EBB_RPC_INTERNAL_SERVED_CONNECTIONS_H_
#define EBB_RPC_INTERNAL_SERVED_CONNECTIONS_H_

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace ebb::rpc::internal {

// Thread-safe. `Connection` has Run(), StopWhenIdle() and closed() as
// SharedConnection has them. End() must come before the destructor.
template <typename Connection>
class ServedConnections {
 public:
  size_t size() const {
    MutexLock lock(&mu_);
    return served_.size();
  }

  void Add(std::shared_ptr<Connection> connection) {
    MutexLock lock(&mu_);
    served_.push_back(
        {connection, std::thread([connection] { connection->Run(); })});
  }

  // Forgets those that ended.
  void Reap() { Join(/*all=*/false); }

  // Returns when all have ended: when their calls have, or at `until`. None may
  // be added meanwhile or later.
  void End(absl::Time until) {
    {
      MutexLock lock(&mu_);
      for (const Served& served : served_) {
        served.connection->StopWhenIdle(until);
      }
    }
    Join(/*all=*/true);
  }

 private:
  struct Served {
    std::shared_ptr<Connection> connection;
    std::thread thread;
  };

  void Join(bool all) {
    std::vector<Served> ended;
    {
      MutexLock lock(&mu_);
      const auto it = std::partition(
          served_.begin(), served_.end(),
          [&](const Served& one) { return !all && !one.connection->closed(); });
      ended.assign(std::make_move_iterator(it),
                   std::make_move_iterator(served_.end()));
      served_.erase(it, served_.end());
    }
    for (Served& one : ended) one.thread.join();
  }

  mutable Mutex mu_;
  std::vector<Served> served_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SERVED_CONNECTIONS_H_
