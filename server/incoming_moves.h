// The partitions of a job that are on their way to this server, the target of
// their moves (docs/decisions/0006). Each is fetched (incoming_move.h), stored
// as a version of its new term, and reported to the scheduler. It is served
// once the scheduler has decided so.
//
// Decision logic only: messages and time in, actions out. Thread-compatible.
#ifndef EBB_SERVER_INCOMING_MOVES_H_
#define EBB_SERVER_INCOMING_MOVES_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/answer_check.h"
#include "protocol/messages.h"
#include "protocol/peer_trouble.h"
#include "server/actions.h"
#include "server/incoming_move.h"
#include "server/job_partitions.h"
#include "server/store/fetched.h"

namespace ebb::server {

class IncomingMoves {
 public:
  // `job` is not owned, and outlives it.
  explicit IncomingMoves(JobPartitions* job);

  // Begins with a partition of which no values are here any more. False: it
  // cannot be held here, and the scheduler has been told so.
  bool Begin(const MoveIn& order, absl::Time now, ServerActions* out);
  void Fetched(const FetchRequest& request,
               absl::StatusOr<server::Fetched> fetched, absl::Time now,
               ServerActions* out);
  // True: it was the version that a move ends with.
  bool VersionWritten(const VersionKey& key, const absl::Status& status,
                      absl::Time now, ServerActions* out);
  // The scheduler has decided that it is served here. Returns the report for
  // when it is; nullopt: it is not here in that term (any more).
  std::optional<MoveProgress> TakeOver(const PartitionMoved& decision,
                                       absl::Time now);
  // Gives all up.
  void Drop();

  void Tick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const;

 private:
  static void FetchNext(HostedPartition* hosted, absl::Time now,
                        ServerActions* out);
  void Store(PartitionId id, HostedPartition* hosted, absl::Time now,
             ServerActions* out);
  void Fail(PartitionId id, Term term, std::string why, ServerActions* out,
            std::optional<PeerTrouble> unreached = std::nullopt);
  MoveProgress ProgressOf(PartitionId id, Term term) const;

  // Returns why the answer is to be taken for a failed call; see AnswerCheck.
  std::optional<CallFailure> WhyNotFrom(const IncomingMove& move,
                                        const FetchRequest& request,
                                        const server::Fetched& fetched,
                                        absl::Time now);

  JobPartitions& job_;
  AnswerCheck answers_;
  absl::Time next_sign_ = absl::InfiniteFuture();
};

}  // namespace ebb::server

#endif  // EBB_SERVER_INCOMING_MOVES_H_
