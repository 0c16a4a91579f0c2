// The rows of sparse tables as arrays of a cut: what stores, loads and moves
// see of them.
//
// The blocks of table T are those of the arrays "rows:T:0", "rows:T:1", ...,
// one after the other; what else a table has to say (RowCut::header) stands in
// Cut::rows, by table.
#ifndef EBB_SERVER_ROW_ARRAYS_H_
#define EBB_SERVER_ROW_ARRAYS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/cut.h"
#include "server/rows/row_cut.h"

namespace ebb::server {

// Returns whether an array of a cut holds blocks of rows.
bool IsRowArray(absl::string_view name);

// Adds the rows of the next table.
void AddRows(RowCut rows, Cut* cut);

// Fills in Cut::rows. It reads values that were not stored before, so it runs
// apart from the core: call it once before a cut is stored or sent.
void SealRows(Cut* cut);

// Takes the rows of `tables` tables out of a sealed cut, all of whose blocks
// are at hand. DataLoss when it has not these tables.
absl::StatusOr<std::vector<RowCut>> TakeRows(size_t tables, Cut* cut);

}  // namespace ebb::server

#endif  // EBB_SERVER_ROW_ARRAYS_H_
