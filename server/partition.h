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
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/ledger.h"
#include "protocol/marks.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/partition_rows.h"
#include "server/update_rule.h"

namespace ebb::server {

struct Judgement {
  Verdict verdict = Verdict::kApplied;
  int64_t mark = 0;
};

class Partition {
 public:
  // The changes by a push; made by Prepare, with all of its memory.
  struct Update;

  // Makes a partition with initial values. ResourceExhausted: `pool` has no
  // room.
  static absl::StatusOr<std::unique_ptr<Partition>> Create(
      JobRecordPtr record, PartitionId id,
      std::shared_ptr<const UpdateRule> rule, std::shared_ptr<BlockPool> pool);

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
  Payload Values() const { return PayloadOf(weights_); }
  // Rounds: the value closed by `round - 1`; nullopt when it is not (or no
  // longer) held.
  std::optional<Payload> RoundValues(int64_t round) const;
  // Rounds below it are closed here.
  int64_t open_round() const { return open_round_; }
  // Rounds: those whose values are held.
  RoundSpan rounds() const {
    return {round_values_.empty() ? open_round_ : round_values_.begin()->first,
            open_round_};
  }
  // Rounds: no pull of a round below `round` will come any more.
  void DropRoundValues(int64_t round);
  // Those that closed rounds whose values are held, and the last one.
  std::vector<RoundOperation> Operations() const;

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
  const Ledger& ledger() const { return ledger_; }
  // Null: the job has no sparse tables.
  const PartitionRows* rows() const { return rows_.get(); }
  std::span<const uint64_t> oracle() const { return oracle_; }
  const std::map<int32_t, EpochLoss>& loss() const { return loss_; }
  // Pushes applied in the life of these values.
  int64_t updates() const { return updates_; }

 private:
  // A run of values in blocks, and the sums of gradients in the same shape.
  using Blocks = std::vector<BlockRef>;

  Partition(JobRecordPtr record, PartitionId id,
            std::shared_ptr<const UpdateRule> rule,
            std::shared_ptr<BlockPool> pool);

  int64_t floats() const { return last_ - first_; }
  int64_t BlockCount() const;
  std::pair<int64_t, int64_t> BlockRange(int64_t block) const;
  Payload PayloadOf(const Blocks& blocks) const;
  absl::StatusOr<Blocks> Zeros() const;
  // Makes this partition the only holder of each block.
  absl::Status MakeUnique(Blocks* blocks) const;
  absl::Status PrepareStep(Update* update);
  absl::Status PrepareRound(const PushRequest& push, Update* update);
  void DecodeGradient(Update* update) const;
  void Step(const StepPlace& place, const Payload& gradient_sum,
            Update* update);
  absl::Status PrepareMeasure(Update* update);
  void ComputeRound(Update* update);
  void Measure(Update* update) const;
  void Operate(Update* update);
  StepPlace PlaceOfRound() const;
  void CommitRound(Update* update);
  void Count(const Update& update);
  absl::Status RestoreArrays(const Cut& cut);
  // A cut but for its rows.
  Cut CutOfDense() const;
  StepPlace PlaceOf(const Update& update) const;

  // Constant.
  const JobRecordPtr record_;
  const JobPlan& plan_;
  const PartitionId id_;
  const std::shared_ptr<const UpdateRule> rule_;
  const std::shared_ptr<BlockPool> pool_;
  int64_t first_ = 0;  // [first_, last_) of the flat vector.
  int64_t last_ = 0;

  Blocks weights_;
  std::vector<Blocks> slots_;
  std::unique_ptr<PartitionRows> rows_;  // Null: the job has no sparse tables.
  std::vector<uint64_t> oracle_;
  MarkSet marks_;
  Ledger ledger_;
  std::map<int32_t, EpochLoss> loss_;
  int64_t updates_ = 0;
  std::map<int64_t, Blocks> snapshots_;

  // Rounds. Sums are kept per item and folded in item order, so that a round's
  // step is the same to the bit whatever the order of arrival.
  int64_t open_round_ = 0;
  Blocks round_sum_;                        // Sum of the folded items.
  std::map<ItemId, Blocks> item_sums_;      // Not yet folded.
  std::map<int64_t, Blocks> round_values_;  // By the round that pulls them.
  // Where they are closed by operations: those applied, by round, and the sums
  // of the losses by item of the open one.
  std::map<int64_t, std::string> operations_;
  std::map<ItemId, double> item_losses_;
};

// Made by Prepare, filled by Compute, swapped in by Commit.
struct Partition::Update {
  // The push that it is made from.
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  LedgerRow ledger;
  double loss_sum = 0;
  // Updates in the values from which it was computed.
  int64_t pulled_updates = 0;
  bool skip = false;
  Payload gradient;  // Empty: no dense table is touched.
  Encoding encoding = Encoding::kFloat32;
  Blocks decoded;  // The decoded gradient; empty: it need not be decoded.
  std::vector<uint64_t> oracle;

  std::optional<PartitionRows::Update> rows;  // Where there are sparse tables.

  // The step it takes, if any: the new weights, published by Commit.
  Blocks new_weights;
  // Rounds: the items to fold into the round's sum, in order, and whether
  // that closes the round.
  std::vector<ItemId> folds;
  bool closes_round = false;
  // An operation closes the round. The update then has the round's whole sum,
  // the figures measured of it, and, once it is known, the step.
  bool waits = false;
  Blocks whole_sum;
  std::vector<double> figures;
  std::string operation;
  std::unique_ptr<const RoundStep> step;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PARTITION_H_
