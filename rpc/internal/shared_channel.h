// The way to one parameter server through shared memory where that is possible,
// and over the network where it is not, or not yet.
#ifndef EBB_RPC_INTERNAL_SHARED_CHANNEL_H_
#define EBB_RPC_INTERNAL_SHARED_CHANNEL_H_

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
#include "rpc/internal/shared_protocol.h"
#include "rpc/internal/shared_session.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// Asks a server for an offer, over the network.
class SharedAsker {
 public:
  virtual ~SharedAsker() = default;
  // Blocks for a few seconds at most.
  virtual absl::StatusOr<SharedOffer> Ask() = 0;
  // From another thread: Ask() returns soon, now and later.
  virtual void Cancel() = 0;
};

// Asks for shared memory at the first push or pull, which wait for the answer,
// and again after the connection was lost; meanwhile, and where it is refused,
// calls go over the network.
class SharedChannel : public PsChannel {
 public:
  // `address` for the log.
  SharedChannel(const std::string& address, std::unique_ptr<PsChannel> network,
                std::unique_ptr<SharedAsker> asker, int64_t most_bytes,
                std::shared_ptr<shm::SharedHeap> heap = nullptr,
                Guard guard = {});
  ~SharedChannel() override;

  void Push(PushRequest request, absl::Duration deadline,
            PushDone done) override;
  void Pull(const PullRequest& request, absl::Duration deadline,
            PullDone done) override;
  void Clock(const ClockUpdate& update) override;
  void Fetch(const FetchRequest& request, absl::Duration deadline,
             FetchDone done) override;

  // Asks now. Whether calls go through shared memory before `limit` is over.
  bool AwaitShared(absl::Duration limit);

 private:
  // The connection; null: there is none. With `destroyed` set nothing may be
  // begun any more.
  std::shared_ptr<SharedSession> Session(bool* destroyed);
  // Now, or when the first question is answered.
  void BeginWhenAnswered(std::function<void()> call);
  void Answered();
  absl::StatusOr<std::shared_ptr<SharedSession>> Open();
  void Work();
  void Serve(const std::shared_ptr<SharedSession>& session);
  // How long to leave it alone.
  absl::Duration PauseAfter(const absl::Status& status);

  const std::string address_;
  std::unique_ptr<PsChannel> owned_network_;
  // The same, also while it is being destroyed.
  PsChannel* const network_;
  const std::unique_ptr<SharedAsker> asker_;
  const int64_t most_bytes_;  // Most of a push, or of the answer to a pull.
  const std::shared_ptr<shm::SharedHeap> heap_;  // As of SharedSession::Open.
  const Guard guard_;

  std::atomic<bool> answered_ = false;  // The first question.
  Mutex mu_;
  CondVar changed_;
  std::vector<std::function<void()>> early_ ABSL_GUARDED_BY(mu_);
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
  bool wanted_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<SharedSession> session_ ABSL_GUARDED_BY(mu_);
  std::string told_;  // The thread's: the last line of the log.
  int failures_ = 0;  // The thread's.
  std::thread thread_;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SHARED_CHANNEL_H_
