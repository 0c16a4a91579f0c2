// The kinds of rows of a job's sparse tables in specifications, and what a job
// file may say about each kind.
#ifndef EBB_JOB_ROW_KINDS_H_
#define EBB_JOB_ROW_KINDS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/common.pb.h"
#include "ebb/v1/job.pb.h"
#include "protocol/plan.h"

namespace ebb::job {

v1::RowKind ToProto(RowKind kind);
// nullopt: it is from a newer ebb.
std::optional<RowKind> RowKindOf(v1::RowKind kind);

// InvalidArgument, beginning with the key of the model that makes a table's
// rows so wide, for a width that servers do not keep.
absl::Status CheckRowWidth(const v1::Model& model, absl::string_view table,
                           int64_t width);

// InvalidArgument, beginning with the key: a setting is of no use to a table of
// such rows.
absl::Status CheckRowKind(const v1::Table& said, RowKind kind);

}  // namespace ebb::job

#endif  // EBB_JOB_ROW_KINDS_H_
