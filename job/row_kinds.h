// Checks what a job file says about the rows of a sparse table, by their kind.
#ifndef EBB_JOB_ROW_KINDS_H_
#define EBB_JOB_ROW_KINDS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/row_kind.h"
#include "ebb/v1/job.pb.h"

namespace ebb::job {

// InvalidArgument, beginning with the key of the model that makes a table's
// rows so wide, for a width that servers do not keep.
absl::Status CheckRowWidth(const v1::Model& model, absl::string_view table,
                           int64_t width);

// InvalidArgument, beginning with the key: a setting is of no use to a table of
// such rows.
absl::Status CheckRowKind(const v1::Table& said, RowKind kind);

}  // namespace ebb::job

#endif  // EBB_JOB_ROW_KINDS_H_
