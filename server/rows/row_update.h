// The changes of one push to the rows of a sparse table.
#ifndef EBB_SERVER_ROWS_ROW_UPDATE_H_
#define EBB_SERVER_ROWS_ROW_UPDATE_H_

#include <cstdint>
#include <memory>

#include "server/rows/internal/row_push.h"

namespace ebb::server {

// The effect of a push on the rows. RowTable::Prepare makes it, with all of its
// memory; Compute fills it, and Commit takes it over. Releasing it instead
// undoes it: it had no visible effect.
class RowUpdate {
 public:
  // Keys of the push, those included that get no row.
  int64_t keys() const { return push_.keys; }
  // Returns about how many bytes Compute goes through.
  int64_t ComputeBytes() const {
    return static_cast<int64_t>(push_.rows.size() * (2 * push_.record_bytes)) +
           static_cast<int64_t>(push_.copies.size() * push_.block_bytes);
  }

 private:
  friend class RowTable;

  internal::RowPush push_;
};

// Shared, because the table remembers (weakly) which update is under way.
using RowUpdatePtr = std::shared_ptr<RowUpdate>;

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_UPDATE_H_
