// A server that copies a partition from another one: the production target of a
// move (server/incoming_move.h) over the production transport, up to the last
// cut, at which the source would stop serving.
#ifndef EBB_BENCH_DENSE_MOVE_LOOP_H_
#define EBB_BENCH_DENSE_MOVE_LOOP_H_

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "protocol/messages.h"
#include "rpc/transport.h"
#include "server/incoming_move.h"
#include "server/memory/block_pool.h"
#include "server/peer_reader.h"

namespace ebb::bench {

struct MoveSample {
  double seconds = 0;         // All of it.
  double blocks_seconds = 0;  // Without the first cut, which names the blocks.
};

// Thread-compatible: one call at a time.
class MoveLoop {
 public:
  // Copies the first partition of the job. `transport` is a server's, is not
  // owned and outlives this.
  static absl::StatusOr<std::unique_ptr<MoveLoop>> Create(
      rpc::Transport* transport, JobRecordPtr record,
      const Placement& placement);
  ~MoveLoop() { peers_.Stop(); }

  // Copies it once and forgets the copy, whose checksums were checked. Blocks.
  // Else the error of the transport or of the checks.
  absl::StatusOr<MoveSample> Run();

 private:
  MoveLoop(rpc::Transport* transport, MoveIn order,
           std::shared_ptr<server::BlockPool> pool);
  void OnFetched(const FetchRequest& request,
                 absl::StatusOr<server::Fetched> fetched);
  void AskLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<server::BlockPool> pool_;
  Mutex mu_;
  CondVar changed_;
  MoveIn order_ ABSL_GUARDED_BY(mu_);  // The next one.
  std::optional<server::IncomingMove> move_ ABSL_GUARDED_BY(mu_);
  absl::Time blocks_begun_ ABSL_GUARDED_BY(mu_);
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  // Last: its end ends the calls to OnFetched.
  server::PeerReader peers_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_DENSE_MOVE_LOOP_H_
