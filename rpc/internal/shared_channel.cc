#include "rpc/internal/shared_channel.h"

#include <utility>

#include "common/status_macros.h"

namespace ebb::rpc::internal {

namespace {

class SharedOpener : public SessionOpener {
 public:
  SharedOpener(std::unique_ptr<SharedAsker> asker, int64_t most_bytes,
               std::shared_ptr<shm::SharedHeap> heap, Guard guard)
      : asker_(std::move(asker)),
        most_bytes_(most_bytes),
        heap_(std::move(heap)),
        guard_(std::move(guard)) {}

  absl::StatusOr<std::shared_ptr<PreferredSession>> Open() override {
    EBB_ASSIGN_OR_RETURN(const SharedOffer offer, asker_->Ask());
    return SharedSession::Open(offer, most_bytes_, heap_, guard_);
  }
  void Cancel() override { asker_->Cancel(); }

 private:
  const std::unique_ptr<SharedAsker> asker_;
  const int64_t most_bytes_;
  const std::shared_ptr<shm::SharedHeap> heap_;
  const Guard guard_;
};

}  // namespace

// The first calls wait: values that came over the network would be twice on
// this machine.
SharedChannel::SharedChannel(const std::string& address,
                             std::unique_ptr<PsChannel> network,
                             std::unique_ptr<SharedAsker> asker,
                             int64_t most_bytes,
                             std::shared_ptr<shm::SharedHeap> heap, Guard guard)
    : PreferredChannel(
          {.name = "shared-memory", .first_calls_wait = true}, address,
          std::move(network),
          std::make_unique<SharedOpener>(std::move(asker), most_bytes,
                                         std::move(heap), std::move(guard))) {}

}  // namespace ebb::rpc::internal
