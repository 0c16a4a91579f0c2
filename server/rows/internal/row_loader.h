// Loads the rows of a stored cut.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_LOADER_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_LOADER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/rows/internal/checked_row_cut.h"
#include "server/rows/internal/row_admitter.h"
#include "server/rows/internal/row_base.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// Fills an empty table with the rows of a cut. It trusts none of the cut's
// statements: it obtains memory only for bytes that are there.
class RowLoader {
 public:
  // Borrows all three. The cut was checked; its blocks go to the rows.
  RowLoader(CheckedRowCut* cut, RowStore* rows, RowAdmitter* admitter);

  // DataLoss: it names the table and the damage. ResourceExhausted.
  absl::Status Load();

  // The version that is stored if the cut is; null: the rows are not as in the
  // cut, or the next cut cannot go on from it.
  std::shared_ptr<const RowVersion> version() const {
    return converted_ ? nullptr : version_;
  }

 private:
  absl::Status MakeRoom();
  // The part as it is stored, and where the renewal was. LoadPart completes it.
  absl::Status AddStored(size_t p);
  absl::Status CheckHand(size_t p, int64_t first) const;
  absl::Status LoadPart(size_t p);
  absl::Status LoadChanges(size_t p, BlockReader& read);
  absl::Status LoadRecords(size_t p, BlockReader& read);
  absl::Status LoadRun(size_t p, BlockReader& read);
  absl::Status LoadBits(size_t p, BlockReader& read);
  absl::Status LoadIndex();
  absl::Status LoadRow(uint32_t row);
  absl::Status Short(size_t p) const;
  absl::Status BadRow(size_t p, uint32_t row) const;

  CheckedRowCut& cut_;
  RowStore& rows_;
  RowAdmitter& admitter_;
  const RowLayout& layout_;
  const RowBase base_;  // Its places grow with the rows.
  std::shared_ptr<RowVersion> version_;
  // For each block of rows: the last part whose run has it; -1: none.
  std::vector<int64_t> last_runs_;
  std::vector<uint8_t> counters_;
  bool other_unit_ = false;  // Times are stored in another unit.
  bool converted_ = false;   // Not what is stored.
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_LOADER_H_
