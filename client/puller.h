// Collects the values of all partitions of a job, from whichever servers have
// them, through refusals, restarts and waits.
//
// Thread-compatible.
#ifndef EBB_CLIENT_PULLER_H_
#define EBB_CLIENT_PULLER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/options.h"
#include "client/routes.h"
#include "client/row_cache.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

// A pull: its values, and the name under which it is made.
struct PullSpec {
  JobId job;
  Generation generation;
  int64_t target_clock = 0;
  int64_t round = -1;
  int64_t snapshot = 0;
  Encoding encoding = Encoding::kFloat32;
  BatchRowsPtr rows;          // Null: the job has no sparse tables.
  bool during_batch = false;  // The same as in PulledValues.
  // For partitions that are away, the values of the pull before are used, if
  // they are of the same generation. The values of this pull are kept for the
  // next.
  bool go_on = false;
};

class Puller {
 public:
  enum class State {
    kIdle,
    kPulling,
    kDone,             // TakeValues() has them all.
    kNeedsPlacement,   // Some partition is elsewhere: ask the scheduler.
    kClosed,           // Rounds: the round is closed on all servers.
    kNotInView,        // SSP: the worker must join again.
    kOtherGeneration,  // `generation()` is the servers'.
    kNoSnapshot,
    kInvalid,  // A server found the request malformed.
  };

  explicit Puller(const JobPlan& plan);

  void Start(const PullSpec& spec);
  void Cancel() { state_ = State::kIdle; }
  // Discards all values that were pulled before.
  void Forget() {
    Cancel();
    last_.reset();
    cache_.Clear();
  }
  // Earlier pulled rows of the partition are too old.
  void DropRows(PartitionId partition) { cache_.Drop(partition); }
  // The rest of the pull is for an earlier batch than was thought.
  void LowerTarget(int64_t clock) {
    spec_.target_clock = std::min(spec_.target_clock, clock);
  }
  State state() const { return state_; }
  bool active() const {
    return state_ == State::kPulling || state_ == State::kNeedsPlacement;
  }
  const PullSpec& spec() const { return spec_; }
  bool keeps_rows() const { return cache_.on(); }
  // Since the last time.
  CachedRowCounts TakeCachedRows() { return cache_.TakeCounts(); }
  Generation generation() const { return generation_; }
  // In state kNotInView: as the server says.
  int64_t view_clock() const { return view_clock_; }

  // Sends requests for missing values to servers without a request of ours
  // under way. `next_request` is advanced for each.
  void Pump(Routes* routes, const WorkerStamp& stamp,
            const ClientOptions& options, absl::Time now, int64_t* next_request,
            ClientActions* out);
  // True: the reply was awaited and something advanced.
  bool Reply(const PullId& id, PullReply reply, Routes* routes);
  // True: the request was awaited. The caller gives the server a pause.
  bool Failed(const PullId& id);

  // In state kDone: the values; the puller is idle afterwards.
  PulledValuesPtr TakeValues();

 private:
  // Takes missing values of the partition from the pull before, if that is
  // possible.
  bool GoOn(PartitionId p);
  // True if the pull before, of the same generation, is at hand.
  bool HasLast() const {
    return last_ != nullptr && last_->generation == spec_.generation;
  }
  void Have(PartitionId p, Payload values, Encoding encoding, Term term,
            int64_t updates);
  // False: the answer has not the rows that were asked for.
  bool HaveRows(PartitionId p, std::vector<Payload> rows);
  // Rows that were pulled before are looked for.
  bool UsesCache() const {
    return cache_.on() && spec_.rows != nullptr && spec_.snapshot == 0;
  }
  // Finds the rows that are still missing; returns whether there are none in
  // the partition.
  bool FindRows(PartitionId p, Term term);
  // Does the same as HaveRows, and adds those that were there.
  bool CompleteRows(const PullSegment& segment, int64_t clock,
                    std::vector<Payload> rows);
  // The most bytes of values, with their keys, that are requested of the
  // partition.
  int64_t BytesOf(PartitionId p) const;
  void HaveLast(PartitionId p);
  // The values that a server need not send again, of the partition served in
  // the term.
  std::optional<int64_t> KnownUpdates(PartitionId p, Term term) const;

  const int32_t partitions_;
  // Size of the largest partition, without rows.
  const int64_t partition_bytes_;
  const std::vector<SparseTablePlan> tables_;
  std::vector<bool> dense_;  // By partition: it has dense values.
  State state_ = State::kIdle;
  PullSpec spec_;
  Generation generation_;
  int64_t view_clock_ = 0;
  std::shared_ptr<PulledValues> values_;
  PulledValuesPtr last_;  // Null: none that will do.
  std::vector<bool> have_;
  int32_t missing_ = 0;
  std::map<ServerId, int64_t> under_way_;  // The number of the request.
  RowCache cache_;
  // By partition, while rows are looked for: the rows that were there, and the
  // number of the request for the rest.
  struct Found {
    int64_t request = -1;
    CachedRows rows;
  };
  std::vector<Found> found_;
  // Pump has nothing to do as long as this is false and the routes are as they
  // were: with many servers it is called far more often than it finds work.
  bool ask_ = false;
  int64_t routes_version_ = -1;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PULLER_H_
