#include "server/peer_reader.h"

#include <utility>

#include "absl/time/time.h"
#include "server/store/fetch_codec.h"

namespace ebb::server {

namespace {

// For a cut an older source sums up all values, and its sparse tables are
// looked through; blocks are at most a few MiB, but the four requests that are
// under way share a link, which may be slow.
constexpr absl::Duration kCutDeadline = absl::Seconds(60);
constexpr absl::Duration kBlocksDeadline = absl::Seconds(20);

}  // namespace

PeerReader::PeerReader(rpc::Transport* transport, Done done)
    : transport_(transport), done_(std::move(done)), thread_(1) {}

void PeerReader::Add(FetchTask task) {
  auto shared = std::make_shared<const FetchTask>(std::move(task));
  thread_.Add([this, shared] { Ask(shared); });
}

void PeerReader::Ask(const std::shared_ptr<const FetchTask>& task) {
  auto& channel = channels_[task->address];
  if (channel == nullptr) channel = transport_->ConnectPs(task->address);
  channel->Fetch(
      task->request, task->blocks.empty() ? kCutDeadline : kBlocksDeadline,
      [this, task](absl::StatusOr<FetchReply> reply) {
        // A thread of the transport: the work is for ours.
        auto shared = std::make_shared<const absl::StatusOr<FetchReply>>(
            std::move(reply));
        thread_.Add([this, task, shared] {
          done_(task->request, shared->ok() ? DecodeFetchReply(*task, **shared)
                                            : shared->status());
        });
      });
}

void PeerReader::Stop() {
  thread_.Stop();
  channels_.clear();
}

}  // namespace ebb::server
