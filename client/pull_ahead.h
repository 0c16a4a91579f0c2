// The values of one job that batches are computed from: they are pulled while
// the batch before is computed, and several batches may be computed from one
// pull. A pull begins just in time for its batch (pull_start.h). While it waits
// for other workers, this worker repeats its clock.
//
//   PullNext ──> pulling ──> End ──> ValuesFor ──> Begun
//                   ^                  └── DropValues: they do not serve ──┐
//                   └───────────────────────────────────────────────────────┘
//
// Thread-compatible.
#ifndef EBB_CLIENT_PULL_AHEAD_H_
#define EBB_CLIENT_PULL_AHEAD_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/computation.h"
#include "client/job_state.h"
#include "client/leased_items.h"
#include "client/pipeline_depth.h"
#include "client/pull_start.h"
#include "client/puller.h"
#include "client/row_finder.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::client {

class PullAhead {
 public:
  // `job` is not owned, and outlives it.
  explicit PullAhead(JobState* job);

  // --- Pulling ---------------------------------------------------------------
  // Begins the next pull when there will be something to compute with it, and
  // soon.
  void PullNext(absl::Time now, ClientActions* out);
  // Asks the servers that can be asked now.
  void Pump(absl::Time now, ClientActions* out);
  // Takes the values of a pull that has them all, and gives up one that ended
  // without. Returns how it ended; kIdle, kPulling and kNeedsPlacement: not
  // yet.
  Puller::State End(absl::Time now);
  // The present pull, or the one that ended last.
  const Puller& puller() const { return puller_; }
  void Cancel() {
    puller_.Cancel();
    due_.reset();
  }
  // No pull has to wait after the last that was refused.
  void Resume() { not_before_ = absl::InfinitePast(); }
  // The last pull that was answered waits at a server.
  bool parked() const { return parked_ && puller_.active(); }

  // --- Answers ---------------------------------------------------------------
  void OnReply(const PullId& id, PullReply reply, absl::Time now);
  // True: the pull was awaited.
  bool OnFailed(const PullId& id) { return puller_.Failed(id); }
  // Null: the rows were not found.
  void OnRowsFound(BatchRowsPtr rows) { rows_.Found(std::move(rows)); }
  bool asks_for_rows() const { return rows_.asking(); }

  // --- Values ----------------------------------------------------------------
  // Returns values that the item's batch at `begin` can be computed from. Null:
  // there are none, and those that do not serve are dropped.
  PulledValuesPtr ValuesFor(const LeasedItem& held, int64_t begin);
  // The batch is being computed from them.
  void Begun(const LeasedItems::Run& run, const PulledValuesPtr& values);
  // A batch was computed, in so much time.
  void Computed(absl::Duration took);
  // How many batches are to be computed from one pull.
  int32_t batches_per_pull() const { return depth_.batches(); }
  // Values were pulled, or are being pulled, for a batch.
  bool holds_values() const { return values_ != nullptr || puller_.active(); }
  // The next batch is to be computed from newer ones.
  void DropValues();
  // The partition refused what was computed from them: they are too old.
  void DropStale(PartitionId p);
  // The server answers: if it was away, what was pulled may be as old as that.
  void ForgetOldValues(ServerId server);
  // Drops all that was pulled: it was for a lease, or in a view, that ended.
  void Forget();

  // --- The clock -------------------------------------------------------------
  // Tells all servers the clock.
  void SendClocks(absl::Time now, ClientActions* out);
  // The clock has changed: says so where others, or this worker, may wait.
  void OnClockChanged(absl::Time now, ClientActions* out);
  // Repeats the clock where that is due.
  void OnTick(absl::Time now, ClientActions* out);
  // When PullNext or OnTick is wanted, if the last PullNext was at `last`.
  absl::Time NextTick(absl::Time last) const;

 private:
  // The values for the next batch: those of a round, and if
  // the job has sparse tables, with its rows.
  struct Wanted {
    int64_t round = -1;
    std::optional<FindRows> batch;  // Nothing: it pulls no rows.
  };
  Wanted WantedFor(const LeasedItem* held, int64_t begin) const;
  static bool Serves(const PulledValues& values, const Wanted& wanted);
  // When the next pull begins, as far as the present batch says; the infinite
  // future: when the pushes before it are answered, or it ends.
  absl::Time StartDuring(const Computation::Batch* computing) const;
  // Returns whether a pull begins when all pushes are answered; and whether it
  // has to wait for some. `computes`: a run is computed, or gathered.
  bool PullsAfterPushes() const;
  bool WaitsForPushes(bool computes) const;
  // Returns whether the batch at `from` goes on from what is computed from the
  // last pull.
  bool GoesOnAt(ItemId item, int64_t from) const;
  // Takes the values out of `values_`, or uses `used_` once more.
  void Used(const PulledValuesPtr& values);
  // The computer is told what the next batch will be computed from.
  void TellNext(ClientActions* out);

  JobState& job_;
  Puller puller_;
  RowFinder rows_;
  PipelineDepth depth_;
  PullStart start_;
  PulledValuesPtr values_;  // Pulled, not yet used.
  bool told_ = false;       // The computer knows of them.
  PulledValuesPtr used_;    // Good for `uses_left_` more batches.
  int32_t uses_left_ = 0;
  // The last batch that was begun, and its values, if several are computed from
  // one pull.
  struct Last {
    LeasedItems::Run run;
    PulledValuesPtr values;
  };
  std::optional<Last> last_;
  bool parked_ = false;
  bool pushes_answered_ = false;  // For the batches before.
  // The next pull waits for this time, and for nothing else.
  std::optional<absl::Time> due_;
  absl::Time since_;  // The present pull began then, or was due.
  absl::Time not_before_ = absl::InfinitePast();
  absl::Time next_clock_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PULL_AHEAD_H_
