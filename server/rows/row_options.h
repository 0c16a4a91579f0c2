// The options of a sparse table on one partition.
#ifndef EBB_SERVER_ROWS_ROW_OPTIONS_H_
#define EBB_SERVER_ROWS_ROW_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/initializer.h"

namespace ebb::server {

// Which keys get a row. Pushes to other keys are dropped, and counted
// (RowStatistics::not_admitted).
struct RowAdmission {
  enum class Kind {
    kAlways,
    // At the key's n-th push, about: pushes to keys without a row are counted
    // in a table of `counters` bytes by hash. Keys that share a counter are
    // counted together, so a key may come in early, never late. Counters never
    // fall: give as many as there are keys to expect, or more. A key that once
    // had a row gets it back at its next push.
    kCount,
    // At each push with a probability, drawn from (seed, table, key, how many
    // pushes the table has had): pushes applied anew from a stored version draw
    // the same.
    kProbability,
  };
  Kind kind = Kind::kAlways;
  // kCount: n, from 2 to 255.
  int64_t count = 2;
  // kCount: from 1 to 4 Mi.
  int64_t counters = 1 << 20;
  // kProbability: above 0, at most 1.
  double probability = 1;
};

struct RowTableOptions {
  static constexpr int64_t kMaxCounters = int64_t{4} << 20;
  static constexpr int64_t kMaxExpiry = int64_t{1} << 56;

  // Stands in error messages, in cuts and in the initial values.
  std::string table;
  // Floats in a row's weights, and in each of its slots; or words of four bytes
  // with other values (RowKind). From 1, as the job says.
  int64_t width = 1;
  // Initial weights are a function of this, the table's name and the key.
  InitRule init;
  uint64_t seed = 0;
  // A row vanishes after more than this many examples of the partition without
  // a push to it (up to 1/256 later). Default 0: never. Give several epochs'
  // worth, or rows of rare keys are learned anew each time.
  int64_t expire_after_examples = 0;
  // Rows that the table may have here. Default 0: as many as there is memory
  // for. A job gives its max_rows divided by the partitions.
  int64_t max_rows = 0;
  enum class AtLimit {
    kRefuse,  // The push that would make more fails.
    // Rows that were not touched for long are replaced. A sequence (seed,
    // table, how many were evicted) draws 16 rows, and the one touched longest
    // ago goes (to 64 examples, or 1/256 of a life); this happens for each row
    // that is made. A push never evicts its own rows: if a push has more keys
    // than the limit, the table has as many rows until later pushes.
    kEvict,
  };
  AtLimit at_limit = AtLimit::kRefuse;
  RowAdmission admission;
  // A row does not change once it is there. A push to it costs a comparison,
  // and is counted if it differs (not_admitted). For rows that neither expire
  // nor are evicted.
  bool write_once = false;
  // Rows are results of tasks (common/task_rows.h): a result that is pushed
  // again is the same, or else an error.
  bool of_tasks = false;
  // Rows are contributions to the partition's dense values, and a push replaces
  // them (protocol/contribution_rows.h). For rows that neither expire nor are
  // evicted.
  bool contributes = false;
  // The weight of a row's gradient (RowStep::late_factor) if so many updates
  // changed the row since the pull from which it was computed. It is 1 for 0,
  // and does not grow. Empty: it is always 1.
  std::function<double(int64_t staleness)> rate_factor;

  // InvalidArgument naming the table, the field and what would be right. (The
  // width is checked against the blocks by RowLayout::Make.)
  absl::Status Validate() const;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_OPTIONS_H_
