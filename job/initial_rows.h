// The part of a specification about the rows that a job begins with
// (docs/formats/initial-rows.md).
#ifndef EBB_JOB_INITIAL_ROWS_H_
#define EBB_JOB_INITIAL_ROWS_H_

#include <cstdint>

#include "ebb/v1/specification.pb.h"

namespace ebb::job {

// How many of the bytes are rows, for a job of so many parameters. 0: sparse
// tables begin without rows.
int64_t InitialRowBytes(const v1::InitialValues& initial, int64_t parameters);

// Returns whether some rows have slots, in a job of so many dense tables.
bool RowsHaveState(const v1::InitialValues& initial, int dense_tables);

}  // namespace ebb::job

#endif  // EBB_JOB_INITIAL_ROWS_H_
