// The rows with which the sparse tables of a job begin, as they lie in its file
// of initial values: docs/formats/initial-rows.md.
//
// A directory says how many rows each table has in each partition. The rows lie
// behind it, partition after partition, so that a server reads one run.
#ifndef EBB_PROTOCOL_INITIAL_ROWS_H_
#define EBB_PROTOCOL_INITIAL_ROWS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb {

// The rows of a table in a partition. Each is a key (8 bytes), its weights and
// then its slots, all of float32.
struct InitialRowRun {
  int64_t rows = 0;
  int64_t width = 1;
  int32_t slots = 0;  // 0: they begin as the rule says.

  int64_t row_floats() const { return width * (1 + slots); }
  int64_t row_bytes() const {
    return static_cast<int64_t>(sizeof(uint64_t)) +
           row_floats() * static_cast<int64_t>(sizeof(float));
  }
  int64_t bytes() const { return rows * row_bytes(); }
};

// Immutable, thread-safe.
class InitialRowsDirectory {
 public:
  // The length of the directory.
  static int64_t Words(const JobPlan& plan) {
    return static_cast<int64_t>(plan.sparse_tables.size()) *
           (1 + int64_t{plan.partitions});
  }
  static int64_t DirectoryBytes(const JobPlan& plan) {
    return Words(plan) * static_cast<int64_t>(sizeof(int64_t));
  }

  // `slots` is by table, and `rows` by partition and then by table: all of the
  // plan. Borrows nothing.
  InitialRowsDirectory(const JobPlan& plan, std::vector<int32_t> slots,
                       std::vector<int64_t> rows);

  // `words` is the directory, and `bytes` the length of all. DataLoss: it
  // cannot be the directory of so many bytes.
  static absl::StatusOr<InitialRowsDirectory> Decode(
      const JobPlan& plan, std::span<const int64_t> words, int64_t bytes);
  std::vector<int64_t> Encode() const;

  InitialRowRun Of(PartitionId partition, int32_t table) const;
  // Returns where the partition's rows begin, from the directory's beginning.
  int64_t BeginOf(PartitionId partition) const;
  // With the directory.
  int64_t bytes() const;

 private:
  int64_t partitions_;
  std::vector<int64_t> widths_;  // By table.
  std::vector<int32_t> slots_;   // By table.
  std::vector<int64_t> rows_;    // By partition, and then by table.
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_INITIAL_ROWS_H_
