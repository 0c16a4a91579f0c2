// The limit of a table's rows.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_LIMIT_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_LIMIT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "server/rows/internal/row_push.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/row_options.h"

namespace ebb::server::internal {

// Keeps a table within RowTableOptions::max_rows as `at_limit` says. Immutable,
// so thread-safe.
class RowLimit {
 public:
  // `options` outlives it.
  explicit RowLimit(const RowTableOptions& options);

  // Chooses the rows to evict for a push that makes `made` rows, after
  // `evicted` were evicted before. ResourceExhausted: the push is refused.
  absl::Status Keep(const RowStore& rows, int64_t made, int64_t evicted,
                    RowPush* push) const;

 private:
  std::vector<uint32_t> ChooseVictims(const RowStore& rows, int64_t count,
                                      int64_t evicted,
                                      const RowPush& push) const;

  const RowTableOptions& options_;
  const uint64_t draws_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_LIMIT_H_
