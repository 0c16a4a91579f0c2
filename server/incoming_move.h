// A partition on its way to this server, the target of a move
// (docs/decisions/0006):
//
//   first cut -> its blocks -> last cut (the source freezes) -> new blocks
//     -> stored as version (T', 0) -> the scheduler is told, and decides
//
// It asks for one cut, or for blocks by a few requests at a time: while one
// answer is copied and checked, the next is on its way. So what is under way is
// bounded.
// Decision logic only: time and answers in, requests out. Thread-compatible.
#ifndef EBB_SERVER_INCOMING_MOVE_H_
#define EBB_SERVER_INCOMING_MOVE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protocol/messages.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/partition.h"
#include "server/store/fetched.h"

namespace ebb::server {

class IncomingMove {
 public:
  IncomingMove(const MoveIn& order, std::shared_ptr<BlockPool> pool);

  Term term() const { return term_; }

  // Returns the next request; call it until it has none. nullopt: an answer is
  // awaited, it is not yet time to ask again, or everything is there.
  std::optional<FetchTask> Next(absl::Time now);
  // When Next may have something; InfiniteFuture: after an answer.
  absl::Time NextTry() const;

  // The server that serves the partition now; nullopt: an older scheduler does
  // not say.
  std::optional<ServerId> source() const { return source_; }

  // An answer to what Next gave; of any other it takes no notice. An error is
  // final: the move must be given up.
  absl::Status OnFetched(const FetchRequest& request,
                         absl::StatusOr<Fetched> fetched, absl::Time now);

  // The last cut is here whole: takes it, once.
  bool complete() const { return stage_ == Stage::kComplete; }
  Cut TakeCut();

  const std::string& source_address() const { return address_; }
  // The source does not answer; nullopt: it does.
  std::optional<PeerTrouble> unreached(absl::Time now) const;

  // When the last cut was asked for: from then on the source takes no pushes.
  absl::Time frozen_at() const { return frozen_at_; }

  // --- After the cut was taken -----------------------------------------------
  std::shared_ptr<Partition> values;
  absl::Time storing_since;
  bool stored = false;     // It is stored as version (term, 0) ...
  absl::Duration storing;  // ... which took this long.

 private:
  enum class Stage {
    kFirstCut,
    kFirstBlocks,
    kLastCut,
    kLastBlocks,
    kComplete,
    kTaken,
  };

  absl::Status TakeOutline(Manifest outline);
  bool wants_blocks() const {
    return stage_ == Stage::kFirstBlocks || stage_ == Stage::kLastBlocks;
  }
  // There is something to ask for, and room for one more request.
  bool MayAsk() const;
  // On to the next stage if all blocks of the outline are here.
  void EndBlocks();

  const FetchRequest about_;  // The part that is the same in every request.
  const std::optional<ServerId> source_;
  const std::string address_;
  const Term term_;
  const std::shared_ptr<BlockPool> pool_;

  Stage stage_ = Stage::kFirstCut;
  Manifest outline_;
  std::map<uint64_t, BlockRef> blocks_;  // By their numbers at the source.
  // The blocks of the outline that are neither here nor asked for; back first.
  std::vector<StoredBlock> missing_;
  // The requests under way: the blocks of each; none: a cut.
  std::vector<std::vector<StoredBlock>> asked_;
  absl::Time try_at_ = absl::InfinitePast();
  absl::Time last_answer_ = absl::InfinitePast();
  // Calls that failed since then.
  int64_t failures_ = 0;
  absl::Time broken_since_;
  CallFailure why_;
  absl::Time frozen_at_ = absl::InfiniteFuture();
};

}  // namespace ebb::server

#endif  // EBB_SERVER_INCOMING_MOVE_H_
