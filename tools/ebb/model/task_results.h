// Reads what the tasks of a job made, from the rows in which it is stored.
#ifndef EBB_TOOLS_EBB_MODEL_TASK_RESULTS_H_
#define EBB_TOOLS_EBB_MODEL_TASK_RESULTS_H_

#include "absl/status/status.h"
#include "common/task_rows.h"
#include "tools/ebb/model/row_runs.h"

namespace ebb::tools {

// Calls `on_result` for each task whose result is whole, in their order.
// DataLoss: the rows are not results of tasks. Else the errors of `on_result`.
absl::Status ForEachTask(const RowRuns& rows, TaskJoiner::OnResult on_result);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_TASK_RESULTS_H_
