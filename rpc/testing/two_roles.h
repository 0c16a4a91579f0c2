// A way to a server for tests with certificates, which are of one role each.
#ifndef EBB_RPC_TESTING_TWO_ROLES_H_
#define EBB_RPC_TESTING_TWO_ROLES_H_

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "rpc/transport.h"

namespace ebb::rpc {

// A worker pushes and pulls, and a server fetches: with a certificate each.
class TwoRoles : public PsChannel {
 public:
  TwoRoles(std::unique_ptr<PsChannel> worker, std::unique_ptr<PsChannel> server)
      : worker_(std::move(worker)), server_(std::move(server)) {}
  void Push(PushRequest request, absl::Duration deadline,
            PushDone done) override {
    worker_->Push(std::move(request), deadline, std::move(done));
  }
  void Pull(const PullRequest& request, absl::Duration deadline,
            PullDone done) override {
    worker_->Pull(request, deadline, std::move(done));
  }
  void Clock(const ClockUpdate& update) override { worker_->Clock(update); }
  void Fetch(const FetchRequest& request, absl::Duration deadline,
             FetchDone done) override {
    server_->Fetch(request, deadline, std::move(done));
  }

 private:
  const std::unique_ptr<PsChannel> worker_, server_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_TESTING_TWO_ROLES_H_
