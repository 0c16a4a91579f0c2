// A server's session with the scheduler, made again whenever it breaks.
#ifndef EBB_SERVER_SCHEDULER_CONNECTION_H_
#define EBB_SERVER_SCHEDULER_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/rare_telling.h"
#include "protocol/messages.h"
#include "rpc/transport.h"

namespace ebb::server {

struct SchedulerConnectionOptions {
  std::string address;  // HOST:PORT of the scheduler; must be given.
  // Between two attempts to connect: from the first to the last, doubling,
  // each shortened by chance by up to a half. Defaults 20 ms and 1 s: many
  // servers may return at once. Shorter ones are for tests.
  absl::Duration first_retry = absl::Milliseconds(20);
  absl::Duration last_retry = absl::Seconds(1);
  uint64_t seed = 0;  // For that chance; give each server another.
};

// Thread-safe. Has a thread of its own.
class SchedulerConnection {
 public:
  // `connected` comes on the connection's thread, before anything of the new
  // session; the first message sent after it must be a RegisterServer, and
  // what others send before that one is dropped. `message` comes on threads of
  // the transport, one after the other. `disconnected` comes on the
  // connection's thread, after the session's last message.
  struct Events {
    std::function<void()> connected;
    std::function<void(const SchedulerToServer&)> message;
    std::function<void()> disconnected;
  };

  // `transport` is not owned and outlives the connection.
  SchedulerConnection(SchedulerConnectionOptions options,
                      rpc::Transport* transport, Events events);
  // No event comes later.
  ~SchedulerConnection();

  void Start();
  // Queues; false: there is no session, the message is dropped.
  bool Send(ServerToScheduler message);
  // The scheduler knows this session: it has said something, or could long
  // have refused it or been found away. (It answers no registration.)
  bool accepted();
  // The scheduler does not take this session: ends it, and connects again
  // later, as after a failure to connect.
  void Retry();
  // Sends queued messages, closes, and connects no more. Waits for it, at most
  // `limit`. No event comes later.
  void Leave(absl::Duration limit);

 private:
  class Handler : public rpc::ServerSessionHandler {
   public:
    explicit Handler(SchedulerConnection* connection)
        : connection_(*connection) {}
    void OnMessage(SchedulerToServer message) override;
    void OnClosed(absl::Status status) override;

   private:
    SchedulerConnection& connection_;
  };

  void Run();
  // One session, from its beginning to its end.
  void RunSession();
  void WaitForRetry();
  void Stop();

  const SchedulerConnectionOptions options_;
  rpc::Transport* const transport_;  // Not owned.
  const Events events_;
  Handler handler_;

  Mutex mu_;
  CondVar changed_;
  // Sent to under the lock: Send only queues.
  std::unique_ptr<rpc::ServerSession> session_ ABSL_GUARDED_BY(mu_);
  bool registered_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool heard_ ABSL_GUARDED_BY(mu_) = false;  // Something, in this session.
  absl::Time began_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status why_closed_ ABSL_GUARDED_BY(mu_);
  bool leaving_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  // Used by the thread alone.
  int failures_ = 0;
  uint64_t attempts_ = 0;
  RareTelling logged_;  // Since it was heard last.
  std::thread thread_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_SCHEDULER_CONNECTION_H_
