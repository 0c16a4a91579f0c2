// When a cut of a partition is taken and written as a version, what becomes of
// it, and which versions are kept.
//
//   wanted ──> its turn: Start ──> between two updates: the cut ──> written
//     ^                                                                │
//     └────────────────── failed: a while later ───────────────────────┘
//
// One at a time of all the job's partitions. Decision logic only: time and
// answers in, actions out; WriteVersion comes back as VersionWritten.
// Thread-compatible.
#ifndef EBB_SERVER_CHECKPOINTER_H_
#define EBB_SERVER_CHECKPOINTER_H_

#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/marks.h"
#include "protocol/plan.h"
#include "server/actions.h"
#include "server/job_partitions.h"
#include "server/write_pace.h"

namespace ebb::server {

class Checkpointer {
 public:
  // `job` is not owned, and outlives it.
  explicit Checkpointer(JobPartitions* job) : job_(*job) {}

  // From the first partition on: a checkpoint each interval.
  void Begin(absl::Time now);
  // Wants a version now, of all partitions that changed since their last cut.
  // `asked`: something waits for it.
  void Want(absl::Time now, bool asked);
  // See HostedJob.
  std::vector<RoundVersion> KeepVersions(absl::Time until);

  // The partition whose turn it is: first those without a version of their
  // term, then the one that has waited longest. So none is passed over for
  // ever.
  struct Turn {
    bool later = false;  // It has a version of its term.
    absl::Time since;
    PartitionId partition;
    friend std::weak_ordering operator<=>(const Turn&, const Turn&) = default;
  };
  // nullopt: no partition may write now. With `hold_back`, versions that
  // nothing waits for must wait.
  std::optional<Turn> NextTurn(absl::Time now, bool hold_back);
  // The cut follows at once or when the partition's running update is done.
  void Start(const Turn& turn, ServerActions* out);
  // Adds the partitions that want a version.
  void AddWaiting(WritePace::Waiting* waiting) const;
  // Some version was held back, as NextTurn found.
  bool holds_back() const { return holds_back_; }
  // A cut is being written, or waits for its partition's running update.
  bool writing() const { return writing_.has_value(); }
  // The partition's update is done: a cut that waits for it is taken.
  void OnIdle(PartitionId id, ServerActions* out);
  // The partition's values go: gives up the turn of a cut that still waits.
  void OnDropped(PartitionId id);
  void VersionWritten(const VersionKey& key, const absl::Status& status,
                      absl::Time now, ServerActions* out);

  void Tick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const;
  // For people: that versions come less often than the job asks for, for the
  // sake of checkpoint_rate. Empty: they did not in the last intervals.
  std::string Late() const;

 private:
  struct Writing {
    PartitionId partition;
    VersionKey key;
    // The partition of the cut; it may be gone.
    std::weak_ptr<Partition> values;
    bool cut_taken = false;
    bool asked = false;  // Something waits for it.
    std::optional<MarkSet> marks;
    std::optional<RoundSpan> rounds;
    // Changed between the last cut and this one.
    absl::btree_set<ItemId> items;
  };

  absl::Duration Interval() const;
  void TakeCut(HostedPartition* hosted, ServerActions* out);
  // The partition's values, if they are there still, hear what became of the
  // cut.
  static void TellValues(const Writing& writing, const absl::Status& status);
  void Failed(Writing failed, const absl::Status& why, absl::Time now,
              ServerActions* out);
  void Prune(HostedPartition* hosted, absl::Time now, ServerActions* out);

  JobPartitions& job_;
  std::optional<Writing> writing_;
  absl::Time next_checkpoint_ = absl::InfiniteFuture();
  absl::Time retry_at_ = absl::InfinitePast();
  bool no_cut_ = false;  // There was no memory for one: it is time for a pause.
  absl::Time keep_until_ = absl::InfinitePast();
  bool holds_back_ = false;
  bool held_back_ = false;  // Since the last interval began.
  int late_intervals_ = 0;  // Intervals for which Late() still holds.
  bool said_so_ = false;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_CHECKPOINTER_H_
