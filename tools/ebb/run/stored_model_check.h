// The model of a complete run, of which only the report may be left.
#ifndef EBB_TOOLS_EBB_RUN_STORED_MODEL_CHECK_H_
#define EBB_TOOLS_EBB_RUN_STORED_MODEL_CHECK_H_

#include "absl/status/status.h"
#include "tools/ebb/report/run_folder.h"

namespace ebb::tools {

// FailedPrecondition: neither the folders of the servers have the whole model,
// nor are there copies in shared/. Blocks: opens the stores.
absl::Status CheckModelIsThere(const RunFolder& folder);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_STORED_MODEL_CHECK_H_
