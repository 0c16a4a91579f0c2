// The rows that a partition has of its job's sparse tables.
//
// The rules of Partition about pushes, threads and memory hold here too:
// Prepare, Compute without a lock, Commit; one writer.
#ifndef EBB_SERVER_PARTITION_ROWS_H_
#define EBB_SERVER_PARTITION_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/memory/block_pool.h"
#include "server/row_room.h"
#include "server/rows/row_table.h"
#include "server/update_rule.h"

namespace ebb::server {

class PartitionRows {
 public:
  // The changes of a push to the rows, with all of its memory.
  struct Update {
    struct Table {
      RowUpdatePtr rows;
      Payload gradient;
    };
    // The tables of the plan, in its order.
    absl::InlinedVector<Table, 1> tables;

    int64_t ComputeBytes() const;
  };

  // With these tables; empty: with tables without rows. `plan` outlives it.
  // InvalidArgument: the tables are not those of the plan, or impossible.
  static absl::StatusOr<std::unique_ptr<PartitionRows>> Create(
      const JobPlan& plan, PartitionId id,
      std::shared_ptr<const UpdateRule> rule, std::shared_ptr<BlockPool> pool,
      std::vector<std::unique_ptr<RowTable>> tables = {});
  // Makes them with the rows of a sealed cut, which it takes out of the cut;
  // `stored`: it is the newest stored version. DataLoss: they are not of this
  // partition.
  static absl::StatusOr<std::unique_ptr<PartitionRows>> FromCut(
      const JobPlan& plan, PartitionId id,
      std::shared_ptr<const UpdateRule> rule, std::shared_ptr<BlockPool> pool,
      bool stored, Cut* cut);

  // `now`: examples of the partition, with those of the push. InvalidArgument:
  // the push does not fit this partition. ResourceExhausted: there is not
  // enough memory, or a table is at its limit of rows.
  absl::StatusOr<Update> Prepare(const std::vector<PushRows>& rows,
                                 int64_t now);
  // Returns whether the rows of tasks that a push writes again are those that
  // are there. InvalidArgument: they are not, and the message names the task;
  // or the push does not fit this partition.
  absl::Status CheckWrittenAgain(const std::vector<PushRows>& rows) const;
  // Rows are contributions to the dense values.
  bool contributes() const { return contributes_; }
  // Calls `on(place, number)` for each value of the partition to which rows of
  // a push add another whole number than those that they replace: -1 for each
  // that is taken away, 1 for each that comes. InvalidArgument: the push does
  // not fit this partition; some calls were made.
  absl::Status Contributions(
      const std::vector<PushRows>& rows,
      absl::FunctionRef<void(int64_t place, int number)> on) const;
  void Compute(const StepPlace& place, Update* update) const;
  void Commit(Update update);
  // Both in one.
  void Apply(const StepPlace& place, Update update);

  // For each requested table, in turn, the rows as they are; or as a snapshot
  // has them, in memory of the room. InvalidArgument: the request does not fit
  // this partition. NotFound: there is no such snapshot.
  absl::StatusOr<std::vector<Payload>> Rows(const std::vector<PullRows>& wanted,
                                            RowRoom* room) const;
  absl::StatusOr<std::vector<Payload>> SnapshotRows(
      const std::vector<PullRows>& wanted, int64_t snapshot,
      RowRoom* room) const;
  // Keeps the rows as they are under the number, in place of any other.
  // ResourceExhausted: nothing is kept.
  absl::Status PinSnapshot(int64_t snapshot);
  void DropSnapshot(int64_t snapshot) { snapshots_.erase(snapshot); }

  // Adds the rows to a cut, stored ones by name only; then the cut is either
  // written or lost. Errors: ResourceExhausted.
  absl::Status AddTo(Cut* cut);
  // Adds all rows, stored or not; the fate of this cut need not be reported.
  absl::Status AddWholeTo(Cut* cut);
  // The last cut is the newest stored version; or it was not stored.
  void CutWritten();
  void CutLost();
  // No stored version may be relied on any more.
  void ForgetStored();

  const RowTable& table(int32_t table) const { return *tables_[table]; }
  // Returns the sums over all tables.
  RowScaling scaling() const;

 private:
  PartitionRows(const JobPlan& plan, PartitionId id,
                std::shared_ptr<const UpdateRule> rule)
      : plan_(plan), id_(id), rule_(std::move(rule)) {}

  // The keys of a usual push to 16 partitions need no heap.
  using Keys = absl::InlinedVector<uint64_t, 128>;

  // The keys of a table; InvalidArgument unless they are of this partition.
  absl::Status ReadKeys(int32_t table, const Payload& bytes, Keys* keys) const;
  absl::Status CheckPush(const PushRows& push,
                         std::span<const uint64_t> keys) const;
  absl::Status OutOfOrder(int32_t table) const;
  template <typename TableOf>
  absl::StatusOr<std::vector<Payload>> Gather(
      const std::vector<PullRows>& wanted, RowRoom* room,
      TableOf table_of) const;

  // Makes `contributes_` what the tables are.
  void Seal();

  const JobPlan& plan_;
  const PartitionId id_;
  const std::shared_ptr<const UpdateRule> rule_;
  std::vector<std::unique_ptr<RowTable>> tables_;
  bool contributes_ = false;
  std::vector<uint64_t> cut_tokens_;  // The tokens of the last cut, by table.
  using Views = std::vector<std::shared_ptr<const RowView>>;
  std::map<int64_t, Views> snapshots_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PARTITION_ROWS_H_
