// Which tables of a job are frozen
// (docs/decisions/0035-transfer-learning.md).
#ifndef EBB_JOB_FROZEN_ROWS_H_
#define EBB_JOB_FROZEN_ROWS_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"

namespace ebb::job {

// Returns whether the job freezes the table of this name.
bool IsFrozen(const v1::Job& job, absl::string_view table);

// By sparse table, in the order of the plan, whether the job freezes it: its
// rows never change, and no push has any of them. Empty: it freezes none.
std::vector<bool> FrozenRowsOf(const v1::Specification& specification);

}  // namespace ebb::job

#endif  // EBB_JOB_FROZEN_ROWS_H_
