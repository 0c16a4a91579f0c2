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
// order: keys, rows, and which rows expired and were evicted, to the bit. If
// its rows have rate factors, it also depends on when the table was loaded,
// which forgets how often each row was changed.
//
// Time is a count of examples of the partition that never falls (`now`).
//
// The table is a hub: `internal/` has the owners, one subject each. Only it
// changes several of them, in the order that a push or a cut asks for.
#ifndef EBB_SERVER_ROWS_ROW_TABLE_H_
#define EBB_SERVER_ROWS_ROW_TABLE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "optimizer/gradient.h"
#include "optimizer/optimizer.h"
#include "server/memory/block_pool.h"
#include "server/rows/internal/row_admitter.h"
#include "server/rows/internal/row_limit.h"
#include "server/rows/internal/row_push.h"
#include "server/rows/internal/row_renewal.h"
#include "server/rows/internal/row_stepper.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/internal/row_versions.h"
#include "server/rows/internal/row_writer.h"
#include "server/rows/row_cut.h"
#include "server/rows/row_layout.h"
#include "server/rows/row_options.h"
#include "server/rows/row_update.h"
#include "server/rows/row_view.h"

namespace ebb::server {

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

// The steps of rows since the table was made or loaded, and the sum of the
// factors by which their rates were multiplied (RowTableOptions::rate_factor).
struct RowScaling {
  int64_t rows = 0;
  double rate_factors = 0;
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

  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  // Makes rows before the first push, as if they had been pushed at time 0,
  // whatever the admission is. It may be called several times; keys rise over
  // all calls. `words` has for each key its weights and then `slots` slots,
  // each of them as wide: 0, or those of the optimizer. Slots that it does not
  // have begin as the optimizer says. Checked: the size of `words`. Errors:
  // FailedPrecondition: the table had a push. InvalidArgument: the keys are out
  // of order, or the number of slots is another. ResourceExhausted: there is
  // not enough memory, or there would be more rows than the table may have.
  // After an error the table may have some of the rows.
  absl::Status Begin(std::span<const uint64_t> keys,
                     std::span<const float> words, int slots);

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
               const StepContext& context) const {
    stepper_.Compute(&update->push_, gradient, context);
  }
  // The next keys x width floats of it.
  void Compute(RowUpdate* update, GradientCursor& gradient,
               const StepContext& context) const {
    stepper_.Compute(&update->push_, gradient, context);
  }
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
  const RowScaling& scaling() const { return scaling_; }
  const RowLayout& layout() const { return rows_.layout(); }
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
  // (docs/internals/sparse-tables.md). All rows are in the part if there is no
  // stored version, or if as much would be written.
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
  void Written(uint64_t token) { versions_.Written(token); }
  // It could not be written: what it held as changed is so again.
  void MergeBack(uint64_t token) { versions_.MergeBack(token); }
  // No stored version may be relied on any more: the next cut is whole.
  void ForgetStored() { versions_.ForgetStored(); }

 private:
  RowTable(RowTableOptions options, const RowLayout& layout,
           std::shared_ptr<const Optimizer> optimizer,
           std::shared_ptr<BlockPool> pool);

  // Prepare's parts. FindRows returns how many rows the push makes: new ones,
  // and new ones in the place of expired ones.
  absl::Status CheckPush(std::span<const uint64_t> keys, int64_t now) const;
  std::pair<int64_t, int64_t> FindRows(std::span<const uint64_t> keys,
                                       internal::RowPush* push) const;

  // Commit's parts.
  void BeginCommit(const RowUpdatePtr& update);
  void EndCommit(internal::RowPush* push);

  // FailedPrecondition: an update is between Prepare and Commit.
  absl::Status CheckNoUpdate() const;
  absl::StatusOr<RowCut> Cut(internal::NextVersion next);

  const RowTableOptions options_;
  const internal::RowStepper stepper_;
  const internal::RowLimit limit_;
  internal::RowAdmitter admitter_;
  internal::RowStore rows_;
  // Borrows the rows while it packs them.
  internal::RowVersions versions_;
  internal::RowWriter writer_;

  int64_t now_ = 0;
  int64_t pushes_ = 0;
  int64_t not_admitted_ = 0;
  std::optional<uint64_t> last_begun_;  // The last key of Begin.
  RowScaling scaling_;
  std::weak_ptr<RowUpdate> open_;
  // The memory of the last update, empty, for the next.
  std::vector<internal::RowPush::Row> row_room_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_TABLE_H_
