// Reads the stored model of a run.
#ifndef EBB_TOOLS_EBB_REPORT_STORED_RUN_H_
#define EBB_TOOLS_EBB_REPORT_STORED_RUN_H_

#include "absl/status/statusor.h"
#include "tools/ebb/model/stored_run.h"
#include "tools/ebb/report/run_folder.h"

namespace ebb::tools {

// The newest model in the run's folder. No daemon may have the folder open. The
// errors of LoadStoredModel.
absl::StatusOr<StoredRun> LoadStoredRun(const RunFolder& folder);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_STORED_RUN_H_
