// The rows of one sparse table on one partition.
//
//   EBB_ASSIGN_OR_RETURN(auto table, RowTable::Create(options, optimizer,
//                                                     pool));
//   EBB_ASSIGN_OR_RETURN(RowUpdatePtr update,
//                        table->Prepare(keys, examples_applied));
//   table->Compute(update.get(), gradient, context);  // No lock, any thread.
//   table->Commit(std::move(update));
//   table->Gather(keys, weights);
//
// One writer: between Prepare and Commit there is no other Prepare and no cut.
// Everything but Compute is called under the owner's lock, is short, and may
// run while Compute does.
//
// The content of a table is a function of the pushes applied to it, in their
// order: keys, rows, and which rows expired and were evicted, to the bit.
//
// Time is a count of examples of the partition that never falls (`now`).
#ifndef EBB_SERVER_ROWS_ROW_TABLE_H_
#define EBB_SERVER_ROWS_ROW_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/initializer.h"
#include "server/memory/block_array.h"
#include "server/memory/block_pool.h"
#include "server/optimizer/gradient.h"
#include "server/optimizer/optimizer.h"
#include "server/rows/row_ages.h"
#include "server/rows/row_cut.h"
#include "server/rows/row_layout.h"
#include "server/rows/row_options.h"
#include "server/rows/row_set.h"
#include "server/rows/row_update.h"
#include "server/rows/row_view.h"

namespace ebb::server {

namespace internal {
class RowPacking;
struct RowReader;
struct RowVersion;
}  // namespace internal

struct RowStatistics {
  int64_t rows = 0;  // Rows that have not expired.
  // In the life of the values, so over loads, too.
  int64_t created = 0;
  // Found by now: expired rows that are not requested are found later.
  int64_t expired = 0;
  int64_t evicted = 0;
  // Dropped gradients of rows without admission; for rows that are written
  // once, later values that differ.
  int64_t not_admitted = 0;
  // Memory: blocks of the pool, of rows and counters; and all else.
  int64_t block_bytes = 0;
  int64_t other_bytes = 0;
};

class RowTable {
 public:
  // Without rows. InvalidArgument: of RowTableOptions::Validate and
  // RowLayout::Make.
  static absl::StatusOr<std::unique_ptr<RowTable>> Create(
      RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
      std::shared_ptr<BlockPool> pool);

  // Makes a table with the rows of a sealed cut, whose blocks are all in
  // memory. `stored`: the cut is the newest stored version, so that the next
  // cut need not have its blocks. Rows may have another life than in the cut,
  // and other counters of admission begin anew; either makes the next cut
  // whole. Errors: DataLoss, which names the table and the damage: every
  // statement of the cut is checked. InvalidArgument as in Create.
  // ResourceExhausted: there is not enough memory.
  static absl::StatusOr<std::unique_ptr<RowTable>> FromCut(
      RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
      std::shared_ptr<BlockPool> pool, RowCut cut, bool stored);

  ~RowTable();
  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  // --- Pushes ----------------------------------------------------------------

  // Decides what a push to `keys` (ascending, none twice) does at `now`, with
  // the examples of the push or without, and obtains all memory for it. Has no
  // visible effect. A push without keys lets time pass. Errors:
  // InvalidArgument: keys are out of order, or the time is before the last.
  // ResourceExhausted: there is not enough memory, or the table is at its limit
  // of rows.
  //
  // The pool first promises the memory of the rows, and half as much again as a
  // version of them may be larger when it is loaded. So a table can load what
  // it may hold, and does not take what was promised to others.
  absl::StatusOr<RowUpdatePtr> Prepare(std::span<const uint64_t> keys,
                                       int64_t now);
  // `gradient`: sums, row major, keys x width floats (checked).
  void Compute(RowUpdate* update, GradientView gradient,
               const StepContext& context) const;
  // The next keys x width floats of it.
  void Compute(RowUpdate* update, GradientCursor& gradient,
               const StepContext& context) const;
  // Makes it visible, lets expired rows go (a few times as many as the push has
  // keys are looked at), never fails.
  void Commit(RowUpdatePtr update);
  // Both in one, under the owner's lock: the same to the bit, but rows that are
  // there already are computed where they lie.
  void Apply(RowUpdatePtr update, GradientCursor& gradient,
             const StepContext& context);

  // --- Reading ---------------------------------------------------------------

  // out[i * width ...]: the weights of keys[i], or its initial ones where it
  // has no row. `out` has keys.size() * width floats (checked). Keys may come
  // in any order, and several times. Creates no row.
  void Gather(std::span<const uint64_t> keys, std::span<float> out) const;

  // Returns the rows as they are now, for as long as the view is kept. It takes
  // references only: about 10 ns per block. The cost comes later: each block
  // that is written again is copied once, in the Compute of that push; the
  // first push that makes or loses rows copies the index (8 to 16 bytes per
  // row). While an update is between Prepare and Commit, blocks for its copies
  // are obtained here: ResourceExhausted.
  absl::StatusOr<std::shared_ptr<const RowView>> Pin();

  RowStatistics Statistics() const;
  const RowLayout& layout() const { return layout_; }
  const RowTableOptions& options() const { return options_; }
  // Time of the last push; number of pushes so far, with those without keys.
  int64_t now() const { return now_; }
  int64_t pushes() const { return pushes_; }

  // --- Cuts ------------------------------------------------------------------

  // Returns the content of a new version. It names parts of the newest stored
  // version, without those that are no longer needed, and does not hold them. A
  // new part has what changed since that version, and the next run of all rows,
  // by reference.
  //
  // Changed rows are packed as the cut is sealed; a push that changes one of
  // them before that packs it. Blocks of the run that are written again are
  // copied until the cut is released. So a version is at most half again as
  // large as its rows, and about three times what changed is written
  // (docs/decisions/0013). All rows are in the part if there is no stored
  // version, or if as much would be written.
  //
  // Errors: FailedPrecondition: an earlier cut is neither written nor merged
  // back, or an update is between Prepare and Commit. ResourceExhausted: there
  // is not enough memory.
  absl::StatusOr<RowCut> TakeCut();
  // Returns all rows by reference, stored or not: for a move. Needs no answer.
  // Errors: those of TakeCut, except for the earlier cut.
  absl::StatusOr<RowCut> TakeWholeCut();
  // The cut is stored, durably, and is now the newest stored version. It was
  // sealed (checked). A forgotten token has no effect.
  void Written(uint64_t token);
  // It could not be written: what it held as changed is so again.
  void MergeBack(uint64_t token);
  // No stored version may be relied on any more: the next cut is whole.
  void ForgetStored();

 private:
  struct Block {
    BlockRef ref;  // Empty: has no rows.
    // Set if this table is the sole holder, and its content id is not used.
    std::byte* writable = nullptr;
    uint32_t rows = 0;
  };
  // A cut that is being written.
  struct PendingCut {
    uint64_t token = 0;
    std::shared_ptr<const internal::RowVersion> version;
    RowSet changed;  // Since the newest stored version.
    RowSet changed_counters;
  };

  RowTable(RowTableOptions options, RowLayout layout,
           std::shared_ptr<const Optimizer> optimizer,
           std::shared_ptr<BlockPool> pool);

  internal::RowReader reader() const;
  int64_t physical_rows() const;
  // Counters of admission; 0: it does not go by counting.
  int64_t counter_count() const {
    const RowAdmission& admission = options_.admission;
    return admission.kind == RowAdmission::Kind::kCount ? admission.counters
                                                        : 0;
  }
  RowIndex& MutableIndex();
  std::byte* WritableRecord(uint32_t row);
  static void MakeWritable(Block* block);

  // Prepare's parts.
  bool Admits(uint64_t key, RowUpdate* update) const;
  absl::Status KeepLimit(int64_t made, RowUpdate* update) const;
  std::vector<uint32_t> ChooseVictims(int64_t count,
                                      const RowUpdate& update) const;
  absl::Status NumberRows(int64_t created, RowUpdate* update) const;
  absl::Status ObtainBlocks(int64_t created, RowUpdate* update);
  void ReserveFor(const RowUpdate& update, int64_t created);
  // Promises room for this many more blocks of rows, and rows. Never fails for
  // none.
  absl::Status PromiseRoom(int64_t more_blocks, int64_t more_rows);

  // Into memory of the update's own.
  template <typename GradientOf>
  void ComputeBeside(RowUpdate* update, const StepContext& context,
                     GradientOf gradient_of) const;
  // Calls `gradient_of` once for each key of the update that gets a row or has
  // one that stays, ascending; and `next_of` once for each that gets one: where
  // its record is to be, which may be where it is.
  template <typename GradientOf, typename NextOf>
  void ComputeRows(RowUpdate* update, const StepContext& context,
                   GradientOf gradient_of, NextOf next_of) const;
  // Counts the next of `*kept` for keys before that number whose row differs
  // from the pushed one.
  template <typename GradientOf>
  void CompareKept(uint32_t before, size_t* kept, RowUpdate* update,
                   const GradientOf& gradient_of) const;

  // Commit's parts.
  void BeginCommit(const RowUpdatePtr& update);
  void EndCommit(RowUpdate* update);
  void GrowTo(int64_t capacity);
  // Before a row changes, or goes.
  void SaveForCut(uint32_t row);
  void Install(RowUpdate::BlockCopy* copy);
  void WriteRows(const RowUpdate& update);
  void RemoveRow(uint32_t row);
  void Sweep(int64_t rows);

  // Another holder is about to hold all blocks, and to know their content ids.
  void ShareBlocks();

  // Cuts.
  class CutMaker;
  // The sealing of the newest cut needs the table no more.
  void EndPacking();

  // FromCut's parts.
  class Loader;

  // Constant.
  const RowTableOptions options_;
  const RowLayout layout_;
  const std::shared_ptr<const Optimizer> optimizer_;
  const std::shared_ptr<BlockPool> pool_;
  const RowInitializer initial_;
  const uint64_t draws_;  // Where the sequences of random numbers begin.

  std::shared_ptr<internal::SharedIndex> index_;
  std::vector<Block> blocks_;
  // Bytes of each block; null: empty.
  std::vector<const std::byte*> block_bytes_;
  RowSet live_;
  int64_t capacity_ = 0;   // Row numbers that exist, live or not.
  size_t first_free_ = 0;  // Words of live_ before it are full.
  RowAges ages_;
  BlockArray<uint8_t> counters_;  // The first counter_count().
  int64_t row_blocks_ = 0;        // The blocks in blocks_ that exist.
  PromisedBlocks room_;
  int64_t now_ = 0;
  int64_t pushes_ = 0;
  uint32_t sweep_hand_ = 0;  // The row to look at next.
  RowStatistics totals_;     // But for rows and memory.
  std::weak_ptr<RowUpdate> open_;
  // The memory of the last update, empty, for the next.
  std::vector<RowUpdate::Row> row_room_;

  // Since the newest part that is stored or being written.
  RowSet changed_;
  RowSet changed_counters_;
  // Null: nothing may be relied on.
  std::shared_ptr<const internal::RowVersion> stored_;
  std::optional<PendingCut> pending_;
  // Packs the pending cut, if it has rows to pack. Rows, and where they are,
  // change under a Hold of it.
  std::shared_ptr<internal::RowPacking> packing_;
  uint64_t last_token_ = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_TABLE_H_
