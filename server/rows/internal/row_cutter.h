// Makes cuts of a table.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_CUTTER_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_CUTTER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "server/memory/block.h"
#include "server/rows/internal/row_admitter.h"
#include "server/rows/internal/row_base.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_renewal.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/internal/row_versions.h"
#include "server/rows/row_cut.h"

namespace ebb::server::internal {

// Puts a version into the blocks of a cut: older parts by name, the new part by
// reference or packed. It takes references only and packs what is small; the
// changed rows are packed as the cut is sealed (RowPacking).
//
// Lives for one cut, while the rows do not change.
class RowCutter {
 public:
  // Borrows the rows, the counters and the changes. `fields`: the facts about
  // the table.
  RowCutter(RowStore* rows, const RowAdmitter& admitter,
            const RowChanges& changes, RowCutFields fields);

  // Completes `next.version` with the new part. ResourceExhausted.
  absl::StatusOr<RowCut> Cut(NextVersion next);

 private:
  RowCut Stored(const RowVersion& version) const;
  void AddRows(RowCutPart* part, RowCut* cut);
  std::vector<uint32_t> Pack(const RowCutPart& part,
                             std::vector<BlockRef>& blocks, RowCut* cut) const;
  void SetPlaces(std::span<const uint32_t> rows,
                 std::span<RowCutPart::Block> blocks) const;
  void PackCounters(std::vector<BlockRef> blocks, RowCutPart* part,
                    RowCut* cut) const;

  RowStore& rows_;
  const RowAdmitter& admitter_;
  const RowChanges& changes_;
  const RowCutFields fields_;
  const RowBase base_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_CUTTER_H_
