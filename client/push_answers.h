// Draws the consequences of the answer to a push: each partition's verdict
// moves the item's marks, or ends its lease; a push that had no room is sent
// again; and one that failed steps back.
//
// Thread-compatible.
#ifndef EBB_CLIENT_PUSH_ANSWERS_H_
#define EBB_CLIENT_PUSH_ANSWERS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/away_shares.h"
#include "client/item_leases.h"
#include "client/job_state.h"
#include "client/leased_items.h"
#include "client/pull_ahead.h"
#include "client/pusher.h"
#include "client/server_reach.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class PushAnswers {
 public:
  // None is owned, and all outlive it.
  PushAnswers(JobState* job, ServerReach* reach, PullAhead* pulls,
              ItemLeases* leases, AwayShares* shares)
      : job_(*job),
        reach_(*reach),
        pulls_(*pulls),
        leases_(*leases),
        shares_(*shares) {}

  // False, of these four: the push was not awaited, and nothing was done.
  bool OnReply(const PushId& id, const PushReply& reply, absl::Time now,
               ClientActions* out);
  bool OnFailed(const PushId& id, const CallFailure& why, absl::Time now,
                ClientActions* out);
  // The server had no room for the call.
  bool OnRefused(const PushId& id, absl::Time now);
  bool OnOverLimit(const PushId& id, const absl::Status& why,
                   ClientActions* out);
  // The server had no room for a call, also for a pull.
  void LacksRoom(ServerId server, absl::Time now);

 private:
  // Leaves of the push what is to be sent again.
  void Judge(Pusher::Push* push, const PushReply& reply, absl::Time now,
             ClientActions* out);
  // How the verdict ends the item's lease; nothing: it does not.
  std::optional<LeaseEnd> JudgeSegment(LeasedItem* held, PartitionId p,
                                       Term term,
                                       const PushSegmentReply& answer,
                                       absl::Time now, ClientActions* out);
  // The server had no room for what is left of the push.
  void SendAgain(const PushId& id, Pusher::Push left);
  // The push is given up, with all that follow it to its server.
  void GiveUp(const PushId& id, const Pusher::Push& push);

  JobState& job_;
  ServerReach& reach_;
  PullAhead& pulls_;
  ItemLeases& leases_;
  AwayShares& shares_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PUSH_ANSWERS_H_
