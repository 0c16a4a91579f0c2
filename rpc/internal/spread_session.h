// Several sessions with one server that are used as one: for links that one
// connection does not fill.
#ifndef EBB_RPC_INTERNAL_SPREAD_SESSION_H_
#define EBB_RPC_INTERNAL_SPREAD_SESSION_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/transport.h"

namespace ebb::rpc::internal {

// Pushes, pulls and fetches take the sessions in turn. So pushes may arrive in
// another order than they were sent in; their sequence numbers order them
// (server/push_sequencer.h). If one session breaks, all end. If the server
// closes one in good order, it leaves: the others take no more calls, and end
// when theirs have.
class SpreadSession : public PreferredSession {
 public:
  // At least one, none null.
  explicit SpreadSession(
      std::vector<std::shared_ptr<PreferredSession>> sessions);

  bool Push(PushRequest* request, absl::Time deadline,
            PsChannel::PushDone* done) override;
  bool Pull(const PullRequest& request, absl::Time deadline,
            PsChannel::PullDone* done) override;
  bool Clock(const ClockUpdate& update) override;
  bool Fetch(const FetchRequest& request, absl::Time deadline,
             PsChannel::FetchDone* done) override;

  // With a thread for each session but one.
  void Run(const Elsewhere& elsewhere) override;
  void Stop() override;
  void StopWhenIdle() override;
  void Close(const absl::Status& status) override;

 private:
  PreferredSession& Next();

  const std::vector<std::shared_ptr<PreferredSession>> sessions_;
  std::atomic<size_t> turn_ = 0;
};

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SPREAD_SESSION_H_
