// A partition: a slice of a job's values, with the marks that say which
// examples are in them and the ledger that counts them.
//
// The marks rule (docs/protocol.md) lives here: a push of examples [begin, end)
// of an item is applied exactly when `begin` is the item's mark, wholly and
// together with the new mark, or not at all.
//
// Weights are computed out of place into fresh blocks and swapped in with the
// mark, so that the arithmetic needs no lock:
//
//   const Judgement judgement = partition.Judge(push, segment);  // decision
//   if (judgement.verdict == Verdict::kApplied) {
//     EBB_ASSIGN_OR_RETURN(auto update, partition.Prepare(push, segment));
//     partition.Compute(update.get());   // long: no lock, any thread
//     partition.Commit(std::move(update));                       // decision
//   }
//
// Where rounds are closed by operations, the update that closes one waits after
// Compute for PrepareOperation and another Compute. While it waits nothing is
// changed yet: cuts may be taken, and it may be dropped.
//
// One writer: between Prepare and Commit there is no other Prepare, Commit or
// cut. Everything but Compute is called under the owner's lock, is short,
// and may run while Compute does (pulls read the published blocks).
#ifndef EBB_SERVER_PARTITION_H_
#define EBB_SERVER_PARTITION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/marks.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "protocol/scaled_updates.h"
#include "server/cut.h"
#include "server/dense_shape.h"
#include "server/dense_values.h"
#include "server/initial_partition.h"
#include "server/memory/block_pool.h"
#include "server/partition_rows.h"
#include "server/partition_update.h"
#include "server/push_tally.h"
#include "server/pushed_shape.h"
#include "server/round_history.h"
#include "server/round_sums.h"
#include "server/row_room.h"
#include "server/update_rule.h"

namespace ebb::server {

struct Judgement {
  Verdict verdict = Verdict::kApplied;
  int64_t mark = 0;
};

class Partition {
 public:
  using Update = PartitionUpdate;

  // Makes a partition with initial values: dense ones of this shape, and rows;
  // absent: those of the rule. ResourceExhausted: `pool` has no room.
  // InvalidArgument: the values have other slots than the rule, or the rows are
  // of other tables.
  static absl::StatusOr<std::unique_ptr<Partition>> Create(
      JobRecordPtr record, PartitionId id,
      std::shared_ptr<const UpdateRule> rule, std::shared_ptr<BlockPool> pool,
      std::optional<InitialPartition> initial = std::nullopt);

  // Makes a partition with the values of a sealed cut. `stored`: it is the
  // newest stored version. DataLoss: the cut is not of this partition.
  static absl::StatusOr<std::unique_ptr<Partition>> FromCut(
      JobRecordPtr record, PartitionId id,
      std::shared_ptr<const UpdateRule> rule, std::shared_ptr<BlockPool> pool,
      Cut cut, bool stored = true);

  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  // Judges a push by rounds, marks and staleness. Rounds below `closed_rounds`
  // are closed on every partition.
  Judgement Judge(const PushRequest& push, const PushSegment& segment,
                  int64_t closed_rounds) const;

  // Validates the contribution and obtains all memory that applying it takes.
  // Has no visible effect. InvalidArgument: the contribution has the wrong
  // shape. ResourceExhausted: there is not enough memory.
  absl::StatusOr<std::unique_ptr<Update>> Prepare(const PushRequest& push,
                                                  const PushSegment& segment);
  // A contribution that is applied already: what it writes again must be what
  // is there. InvalidArgument: it is not.
  absl::Status CheckDuplicate(const PushSegment& segment) const;
  void Compute(Update* update);
  // The update waits for the operation of the open round: validates the
  // operation, and obtains its memory. InvalidArgument or DataLoss: it is not a
  // valid operation. ResourceExhausted: there is not enough memory; the update
  // then waits as before.
  absl::Status PrepareOperation(const std::string& operation, Update* update);
  // Returns about how many bytes of values and slots Compute goes through.
  int64_t ComputeBytes(const Update& update) const;
  // Swaps the new values in, with the mark and the ledger. Returns the mark.
  int64_t Commit(std::unique_ptr<Update> update);
  // Compute and Commit in one, under the owner's lock: for small updates. The
  // update must not wait for an operation.
  int64_t Apply(std::unique_ptr<Update> update);

  // --- Reading ---------------------------------------------------------------

  // The values a pull gets: references to the published blocks.
  Payload Values() const { return shape_.PayloadOf(dense_.weights()); }
  // Returns whether pushes change dense values: not if all of them are frozen.
  bool learns() const { return pushed_.shape().floats() > 0; }
  // Rounds: the value closed by `round - 1`; nullopt when it is not (or no
  // longer) held.
  std::optional<Payload> RoundValues(int64_t round) const;
  const RoundHistory& rounds() const { return history_; }
  // Rounds: no pull of a round below `round` will come any more.
  void DropRoundValues(int64_t round) { history_.Drop(round); }

  // An evaluation's snapshot: keeps the present values under a number. Numbers
  // rise and a job has one evaluation at a time, so older ones are dropped: the
  // message that says so may have been lost. ResourceExhausted: nothing is
  // kept.
  absl::Status PinSnapshot(int64_t snapshot);
  void DropSnapshot(int64_t snapshot);
  std::optional<Payload> SnapshotValues(int64_t snapshot) const;

  // Returns rows of sparse tables, as they are or as the snapshot (not 0) has
  // them: one payload for each requested table, in the room. InvalidArgument:
  // the request does not fit this partition. NotFound: there is no such
  // snapshot.
  absl::StatusOr<std::vector<Payload>> Rows(const std::vector<PullRows>& wanted,
                                            int64_t snapshot,
                                            RowRoom* room) const;

  // --- Cuts ------------------------------------------------------------------

  // Returns a cut to be stored. For sparse tables it only names what the newest
  // stored version has, so the caller must report the fate of each cut before
  // it takes the next. ResourceExhausted: there is not enough memory.
  absl::StatusOr<Cut> TakeCut();
  // It is the newest stored version; or it was not stored.
  void CutWritten();
  void CutLost();
  // No stored version may be relied on: the next cut is whole.
  void ForgetStored();
  // Returns a cut with everything in it, whose fate need not be reported.
  absl::StatusOr<Cut> TakeWholeCut();

  PartitionId id() const { return id_; }
  const MarkSet& marks() const { return marks_; }
  const PushTally& tally() const { return tally_; }
  // Returns how many updates are between these values and those of which the
  // partition said at a pull that they have so many. It may have come back with
  // fewer: then those that it lost count, and those that it took since.
  int64_t StalenessOf(int64_t pulled_updates) const;
  // Null: the job has no sparse tables.
  const PartitionRows* rows() const { return rows_.get(); }
  // How much the rule scaled the last update, as a sum over one update.
  const ScaledUpdates& last_scaling() const { return last_scaling_; }

 private:
  Partition(JobRecordPtr record, PartitionId id,
            std::shared_ptr<const UpdateRule> rule,
            std::shared_ptr<BlockPool> pool);

  absl::Status CheckShape(const PushSegment& segment) const;
  // The change of the counts by rows of contributions. InvalidArgument: they do
  // not fit this partition. ResourceExhausted: there is not enough memory.
  absl::StatusOr<PushedGradient> CountContributions(
      const std::vector<PushRows>& rows) const;
  absl::Status PrepareStep(Update* update);
  absl::Status PrepareRound(Update* update);
  StepPlace PlaceOf(const Update& update) const;
  // Tells of the update whose rows were committed last.
  ScaledUpdates ScalingAt(const StepPlace& place);
  StepPlace PlaceOfRound() const;
  absl::Status RestoreArrays(const Cut& cut);
  // A cut but for its rows.
  Cut CutOfDense() const;
  // The status of something of this partition.
  absl::Status Named(absl::string_view of, const absl::Status& status) const;

  // Constant.
  const JobRecordPtr record_;
  const JobPlan& plan_;
  const PartitionId id_;
  const std::shared_ptr<const UpdateRule> rule_;
  const DenseShape shape_;
  // The shape of pushes, of their sums and of slots.
  const PushedShape pushed_;

  MarkSet marks_;
  PushTally tally_;
  int64_t updates_at_first_ = 0;  // When it was made or came back.
  DenseValues dense_;
  RoundSums sums_;                       // In rounds.
  RoundHistory history_;                 // In rounds.
  std::unique_ptr<PartitionRows> rows_;  // Null: the job has no sparse tables.
  RowScaling counted_rows_;              // The scaling up to the last update.
  ScaledUpdates last_scaling_;
  std::map<int64_t, Blocks> snapshots_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PARTITION_H_
