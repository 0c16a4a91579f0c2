// The way to one parameter server by a faster session than the network's calls
// (shared memory, a bulk stream) where that is possible; and over the network
// where it is not, or not yet.
#ifndef EBB_RPC_INTERNAL_PREFERRED_CHANNEL_H_
#define EBB_RPC_INTERNAL_PREFERRED_CHANNEL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// The end of such a connection at the side that asked for it. Thread-safe, but
// that one thread at a time calls Run().
class PreferredSession {
 public:
  // Sends a call that was begun here over the network.
  using Elsewhere =
      std::function<void(const PullRequest& request, absl::Duration deadline,
                         PsChannel::PullDone done)>;

  virtual ~PreferredSession() = default;

  // Begins a call, whose `done` comes from Run() or Close(). False: it must go
  // another way, and the arguments are as they were; else those that are not
  // const are taken.
  virtual bool Push(PushRequest* request, absl::Time deadline,
                    PsChannel::PushDone* done) = 0;
  virtual bool Pull(const PullRequest& request, absl::Time deadline,
                    PsChannel::PullDone* done) = 0;
  virtual bool Clock(const ClockUpdate& update) = 0;
  // Called only if PreferredWay::fetches is set.
  virtual bool Fetch(const FetchRequest& /*request*/, absl::Time /*deadline*/,
                     PsChannel::FetchDone* /*done*/) {
    return false;
  }

  // Serves the calls until Stop(), or until the server is gone.
  virtual void Run(const Elsewhere& elsewhere) = 0;
  virtual void Stop() = 0;
  // Takes no more calls; Run() returns when those under way have ended.
  virtual void StopWhenIdle() { Stop(); }
  // Returns whether Run() returned because the server closed the connection
  // between two messages, as one does that leaves, or after StopWhenIdle(). So
  // the server may still answer on other connections.
  virtual bool EndedInOrder() const { return false; }
  // Takes no more calls, and ends those that are under way with `status`.
  virtual void Close(const absl::Status& status) = 0;
};

// The status of calls that the server cannot answer any more.
absl::Status ServerGone();

// Asks a server for such a connection, over the network, and opens it.
class SessionOpener {
 public:
  virtual ~SessionOpener() = default;
  // Blocks for a few seconds at most. Unavailable, DeadlineExceeded: asking
  // again soon makes sense.
  virtual absl::StatusOr<std::shared_ptr<PreferredSession>> Open() = 0;
  // From another thread: Open() returns soon, now and later.
  virtual void Cancel() = 0;
};

struct PreferredWay {
  std::string name;  // For the log, as "shared-memory".
  // The first push or pull waits until it is known whether there is a session.
  bool first_calls_wait = false;
  // Fetches take it, too.
  bool fetches = false;
};

// Asks for a session at the first call that may take one, and again after the
// connection was lost; meanwhile, and where it is refused, calls go over the
// network.
class PreferredChannel : public PsChannel {
 public:
  // `address` for the log.
  PreferredChannel(PreferredWay way, const std::string& address,
                   std::unique_ptr<PsChannel> network,
                   std::unique_ptr<SessionOpener> opener);
  ~PreferredChannel() override;

  void Push(PushRequest request, absl::Duration deadline,
            PushDone done) override;
  void Pull(const PullRequest& request, absl::Duration deadline,
            PullDone done) override;
  void Clock(const ClockUpdate& update) override;
  void Fetch(const FetchRequest& request, absl::Duration deadline,
             FetchDone done) override;

  // Asks now. Whether calls go through a session before `limit` is over.
  bool AwaitSession(absl::Duration limit);

 private:
  // The connection; null: there is none. With `destroyed` set nothing may be
  // begun any more.
  std::shared_ptr<PreferredSession> Session(bool* destroyed);
  // Now, or when the first question is answered.
  void BeginWhenAnswered(std::function<void()> call);
  void Answered();
  void Work();
  void Serve(const std::shared_ptr<PreferredSession>& session);
  // How long to leave it alone.
  absl::Duration PauseAfter(const absl::Status& status);

  const PreferredWay way_;
  const std::string address_;
  std::unique_ptr<PsChannel> owned_network_;
  // The same, also while it is being destroyed.
  PsChannel* const network_;
  const std::unique_ptr<SessionOpener> opener_;

  std::atomic<bool> answered_;  // The first question, or none waits for it.
  Mutex mu_;
  CondVar changed_;
  std::vector<std::function<void()>> early_ ABSL_GUARDED_BY(mu_);
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
  bool wanted_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<PreferredSession> session_ ABSL_GUARDED_BY(mu_);
  std::string told_;  // The thread's: the last line of the log.
  int failures_ = 0;  // The thread's.
  std::thread thread_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_PREFERRED_CHANNEL_H_
