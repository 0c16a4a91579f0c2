// The pushes of one job that are on their way: which batch each carries, in
// what sequence each server is to judge them, and the clock that counts the
// batches which every partition took.
//
//   batch ──> pushes per server ──> one segment per partition
//
// The pushes to a server on their way at once are limited by its window. The
// others wait in their order, and Pump sends them when answers come.
//
// A batch is settled once every segment of it was answered or given up; only
// one with no refusal counts. Pushes to a server are numbered within an
// incarnation (client/routes.h), and one that is lost is never repeated:
// stepping back gives up all that are on their way to the server.
//
// A push that was refused for lack of room is not lost. Pushes to a server that
// is short of room are kept until they are answered. They are sent again
// unchanged, one at a time until the server takes one. If they were computed
// again, the pulls for refused pushes would fill the server's network.
//
// Thread-compatible.
#ifndef EBB_CLIENT_PUSHER_H_
#define EBB_CLIENT_PUSHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/leased_items.h"
#include "client/routes.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

class Pusher {
 public:
  struct Batch {
    LeasedItems::Run run;
    int32_t unanswered = 0;  // Segments.
    bool refused = false;
    bool share = false;  // Kept while the servers were away.
  };
  using BatchPtr = std::shared_ptr<Batch>;

  // One push on its way.
  struct Push {
    BatchPtr batch;
    std::vector<std::pair<PartitionId, Term>> segments;
    int64_t bytes = 0;
    std::optional<SendPush> kept;  // The push that was or will be sent.
  };
  // Returns whether a segment of the push is still to be pushed.
  using Wanted =
      absl::FunctionRef<bool(const PushRequest&, const PushSegment&)>;

  // A batch to push, and the name under which it is pushed.
  struct Order {
    const JobRecord& record;
    Generation generation;
    WorkerStamp stamp;
    LeasedItems::Run run;
    const ComputeResult& result;
    const PulledValues* values = nullptr;  // It was computed from; may be null.
    bool skip = false;                     // Passed over, not computed.
    absl::Duration timeout;
  };

  Pusher(int64_t push_bytes, int64_t window_bytes)
      : push_bytes_(push_bytes), window_bytes_(window_bytes) {}

  // The part of the batch's sums that one partition is due, not filtered and
  // without a term.
  static PushSegment SegmentFor(const Order& order, PartitionId partition);

  // Has the partitions pushed to that are to be sent the batch next, as far as
  // their place was ever known; `held` is the item. It is sent by Pump. False:
  // there is no such partition, and nothing was done.
  bool Send(const Order& order, LeasedItem* held, Routes* routes);
  // Pushes shares of the item to their partitions, which are to be sent them
  // next and whose places are known. All of them have the order's run; of its
  // result the ledger and the loss are used.
  void SendShares(const Order& order, std::vector<PushSegment> shares,
                  LeasedItem* held, Routes* routes);

  // Sends pushes that have room in a window, to servers that may be tried now.
  void Pump(const Routes& routes, absl::Time now, ClientActions* out);

  // The push is answered: it is on its way no more, and its caller settles its
  // segments, each once. Empty: it was not on its way.
  std::optional<Push> Take(const PushId& id);
  void Settle(const BatchPtr& batch, bool refused);
  // The server had no room for the rest of the push. It is kept, so the server
  // takes none of the later ones: all begin anew, in their order and with
  // another incarnation, as far as they are wanted. The segments of the
  // unwanted ones are settled as refused.
  void SendAgain(const PushId& id, Push refused, const WorkerStamp& stamp,
                 Wanted wanted, Routes* routes);

  // Gives up the pushes on their way to the server: settles them as refused.
  void GiveUp(ServerId server);
  // Forgets everything, as of another generation.
  void Clear();

  bool Awaits(const PushId& id) const { return under_way_.contains(id); }
  bool idle() const { return under_way_.empty(); }
  // Batches not yet settled.
  size_t batches() const { return batches_.size(); }
  int64_t clock() const { return clock_; }
  void set_clock(int64_t clock) { clock_ = clock; }

 private:
  // The pushes to one server.
  struct Window {
    int64_t bytes = 0;  // Sent and not answered.
    std::deque<SendPush> waiting;
  };

  void SendTo(const Order& order, std::vector<PushSegment> segments, bool share,
              LeasedItem* held, Routes* routes);
  // Gives it the next number in the server's sequence.
  void Queue(const BatchPtr& batch, ServerId id, PushRequest request,
             absl::Duration timeout, Routes* routes);

  const int64_t push_bytes_;
  const int64_t window_bytes_;
  // Includes those that wait.
  std::map<PushId, Push> under_way_;
  std::map<ServerId, Window> windows_;
  std::list<BatchPtr> batches_;
  int64_t clock_ = 0;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PUSHER_H_
