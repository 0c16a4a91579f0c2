// The rows of sparse tables that the batches of a run touched. It has the
// change of each in the run, as the algorithm's rule for rows keeps it. For
// tables that examples write it has what they wrote.
//
//   rows.Clear();                                        a run begins
//   local->row_values = rows.ValuesOf(plan, *pulled)     a batch
//   EBB_RETURN_IF_ERROR(rows.Add(plan, step, result.rows))
//   result.rows = rows.Push(plan, push)                  the run ends
#ifndef EBB_CLIENT_RUN_ROWS_H_
#define EBB_CLIENT_RUN_ROWS_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "algorithms/row_rule.h"
#include "client/actions.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

// Limits of one push.
struct RunLimits {
  // Rows of all tables together.
  int64_t most_rows = 1'000'000;
  // Bytes of one partition: they travel in one message.
  int64_t most_bytes = std::numeric_limits<int64_t>::max();
};

// Thread-compatible.
class RunRows {
 public:
  // `rule` is null for a job that trains no rows, and only writes some.
  RunRows(std::shared_ptr<const RowRule> rule, const RunLimits& limits)
      : rule_(std::move(rule)), limits_(limits) {}

  // Forgets all, and gives the memory back.
  void Clear();

  // PulledValues::row_values of where the batch's gradient is to be taken:
  // those that were pulled, with the run's own steps. Internal: they are of
  // other rows than were asked for.
  absl::StatusOr<std::vector<std::vector<Payload>>> ValuesOf(
      const JobPlan& plan, const PulledValues& pulled) const;

  // Adds ComputeResult::rows of a batch. ResourceExhausted: a push would have
  // more rows than the limits allow. After any error the kept rows are
  // unusable.
  absl::Status Add(const JobPlan& plan, const LocalStep& step,
                   const std::vector<std::vector<PushRows>>& rows);

  // ComputeResult::rows of the run. OutOfRange: of finite gradients, something
  // is not finite.
  absl::StatusOr<std::vector<std::vector<PushRows>>> Push(
      const JobPlan& plan, const LocalPush& push) const;

 private:
  // One table in one partition. Row i keeps `stride` floats, or words of
  // another kind, at i * stride.
  struct Table {
    absl::flat_hash_map<uint64_t, int32_t> places;
    std::vector<uint64_t> keys;  // By place.
    std::vector<float> kept;
  };

  int64_t Stride(const SparseTablePlan& table) const;
  absl::Status AddRows(const JobPlan& plan, const LocalStep& step,
                       const PushRows& rows, Table* table);
  absl::StatusOr<PushRows> PushOf(const JobPlan& plan, const LocalPush& push,
                                  int32_t t, const Table& table) const;
  absl::Status CheckLimits(const JobPlan& plan, PartitionId p) const;

  std::shared_ptr<const RowRule> rule_;
  RunLimits limits_;
  std::vector<std::vector<Table>> tables_;  // By partition and table.
  int64_t rows_ = 0;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_RUN_ROWS_H_
