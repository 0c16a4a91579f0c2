// Which keys get a row.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_ADMITTER_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_ADMITTER_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "server/memory/block_array.h"
#include "server/memory/block_pool.h"
#include "server/rows/internal/row_push.h"
#include "server/rows/row_options.h"
#include "server/rows/row_set.h"

namespace ebb::server::internal {

// Judges keys without a row as RowAdmission says, and owns its counters.
// Thread-compatible.
class RowAdmitter {
 public:
  explicit RowAdmitter(const RowTableOptions& options);

  // Obtains the counters, all 0. ResourceExhausted.
  absl::Status MakeCounters(BlockPool* pool);
  // 0: it does not go by counting.
  int64_t counter_count() const { return counter_count_; }
  const BlockArray<uint8_t>& counters() const { return counters_; }

  // Returns whether a key gets a row by the push before which there were
  // `pushes`; adds its counter to those of `push`. All keys of a push are
  // judged by what was before it, so their order does not matter.
  bool Admits(uint64_t key, int64_t pushes, RowPush* push) const;
  // Raises the counters of a push, and adds those that changed to `changed`.
  void Raise(const RowPush& push, RowSet* changed);
  // Sets all of them.
  void Load(std::span<const uint8_t> counters);

 private:
  const RowAdmission admission_;
  const int64_t counter_count_;
  const uint64_t draws_;
  BlockArray<uint8_t> counters_;  // The first counter_count_.
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_ADMITTER_H_
