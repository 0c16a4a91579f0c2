// Changes the rows of a table.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_WRITER_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_WRITER_H_

#include <cstddef>
#include <cstdint>

#include "server/rows/internal/row_push.h"
#include "server/rows/internal/row_store.h"
#include "server/rows/internal/row_versions.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// Rows that came and went in the life of the values; see RowStatistics.
struct RowTotals {
  int64_t created = 0;
  int64_t expired = 0;
  int64_t evicted = 0;
};

// All changes of rows go through it: the versions hear of each before it
// happens, and it is counted. Its caller has a hold of the packing.
//
// Thread-compatible.
class RowWriter {
 public:
  // Borrows both.
  RowWriter(RowStore* rows, RowVersions* versions)
      : rows_(*rows), versions_(*versions) {}

  // Takes over what was computed for a push: makes and writes rows, and evicts.
  void Write(RowPush* push);
  // The record of a row that is there, for a push that writes it in place
  // (RowBlocks::MakeWritable).
  std::byte* Touch(const RowPush::Row& row, uint32_t unit) {
    versions_.BeforeChange(row.row);
    rows_.ages().Remove(RowLayout::TouchedOf(row.record));
    rows_.ages().Add(unit);
    return const_cast<std::byte*>(row.record);
  }
  // Lets rows go that have expired, of the next so many.
  void Sweep(int64_t rows);

  const RowTotals& totals() const { return totals_; }
  // The row to sweep next.
  uint32_t hand() const { return hand_; }
  // Goes on as a stored table did.
  void GoOn(const RowTotals& totals, uint32_t hand) {
    totals_ = totals;
    hand_ = hand;
  }

 private:
  void GrowTo(int64_t capacity);
  void WriteRow(const RowPush::Row& row, uint32_t unit, const std::byte* next);
  void Remove(uint32_t row);

  RowStore& rows_;
  RowVersions& versions_;
  RowTotals totals_;
  uint32_t hand_ = 0;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_WRITER_H_
