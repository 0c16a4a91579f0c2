// The rows that the examples of a batch write into sparse tables that are not
// trained.
//
//   WrittenRows rows(plan);
//   EBB_RETURN_IF_ERROR(model->Record(batch, &rows));
//   EBB_RETURN_IF_ERROR(rows.AppendTo(&result.rows));
#ifndef EBB_WORKER_BASE_WRITTEN_ROWS_H_
#define EBB_WORKER_BASE_WRITTEN_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "models/model.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::worker {

// Thread-compatible.
class WrittenRows final : public models::RowSink {
 public:
  // `plan` outlives it.
  explicit WrittenRows(const JobPlan& plan)
      : plan_(plan), tables_(plan.sparse_tables.size()) {}

  void Add(int64_t table, uint64_t key, std::span<const float> row) override;
  void Count(int64_t table, uint64_t key,
             std::span<const int64_t> row) override;
  void Write(int64_t table, uint64_t key,
             std::span<const std::byte> bytes) override;

  // Appends one row for each key, behind the rows that partitions have in
  // `rows`: the sum of the additions. `rows` has one element for each
  // partition, or none yet. Takes the rows away. Internal: a given row does not
  // fit its table. OutOfRange: a sum of floats is not finite. The error names
  // the first mistake.
  absl::Status AppendTo(std::vector<std::vector<PushRows>>* rows);

 private:
  struct Table {
    absl::flat_hash_map<uint64_t, size_t> numbers;  // By key.
    std::vector<uint64_t> keys;                     // By number.
    std::vector<std::byte> rows;  // By number, each of row_bytes().
  };

  // The key's row, zeros if it is new; null if the row does not fit the table.
  // `elements` are given, of that kind.
  std::byte* RowOf(int64_t table, uint64_t key, RowKind kind, size_t elements);
  absl::Status CheckFinite(size_t table) const;
  void AppendTable(size_t table, std::vector<std::vector<PushRows>>* rows);

  const JobPlan& plan_;
  std::vector<Table> tables_;
  absl::Status status_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_BASE_WRITTEN_ROWS_H_
