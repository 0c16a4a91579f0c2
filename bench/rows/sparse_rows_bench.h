// The speed of pushing and pulling rows of sparse tables, compared with the
// bare work; their memory; the cost of cuts.
#ifndef EBB_BENCH_ROWS_SPARSE_ROWS_BENCH_H_
#define EBB_BENCH_ROWS_SPARSE_ROWS_BENCH_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/common/paired.h"

namespace ebb::bench {

struct SparseRowsBenchOptions {
  // In all tables together.
  int64_t rows = 1'000'000;
  // Tables: partitions of one.
  int64_t tables = 64;
  int64_t width = 16;
  // Distinct rows of a push, spread over the tables.
  int64_t push_rows = 1000;
  // Row k of n is drawn with a probability as k^-zipf; 0: all alike.
  double zipf = 0;
  // Gradients are so many updates late, and steps of rows go by it (dynsgd).
  // Then weights are not those of the bare work, and are not compared.
  int64_t staleness = 0;
  // Pairs; in each both do the same pushes, then the same pulls.
  int pairs = 15;
  int64_t pushes = 200;  // In each.
  uint64_t seed = 1;

  // InvalidArgument for what cannot work.
  absl::Status Validate() const;
};

struct SparseRowsReport {
  std::vector<Row> rows;  // Rows of the table that is printed.
  // The longest push while a table was filled, which includes growing.
  double longest_push_seconds = 0;
  // Under the lock: the longest, of all tables.
  double base_cut_seconds = 0;
  double delta_cut_seconds = 0;
};

// The requirement on rows.
inline constexpr Bound kPushBound{Bound::Kind::kAtLeast, 0.6};
inline constexpr Bound kPullBound{Bound::Kind::kAtLeast, 0.8};
inline constexpr Bound kRestBound{Bound::Kind::kAtMost, 1.3};
inline constexpr Bound kCutBound{Bound::Kind::kAtMost, 1.5};
inline constexpr Bound kDeltaBound{Bound::Kind::kAtMost, 0.03};
inline constexpr double kCutSeconds = 0.005;

// RowTable with Adagrad, against absl::flat_hash_map into arrays with the same
// arithmetic, batched, with prefetching: one thread. Internal when the two come
// to different weights.
absl::StatusOr<SparseRowsReport> MeasureSparseRows(
    const SparseRowsBenchOptions& options);

// Measures and prints to `out`, problems to `err`. The exit code: 0, 1 for a
// wrong result or a bound that is missed, 2 for wrong options.
int RunSparseRowsBench(const SparseRowsBenchOptions& options, std::ostream& out,
                       std::ostream& err);

}  // namespace ebb::bench

#endif  // EBB_BENCH_ROWS_SPARSE_ROWS_BENCH_H_
