// The output of `ebb status --json` and `ebb explain --json`.
#ifndef EBB_TOOLS_EBB_STATUS_STATUS_JSON_H_
#define EBB_TOOLS_EBB_STATUS_STATUS_JSON_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

Json StatusJson(const v1::GetStatusResponse& status,
                const std::string& scheduler_address);
// `state` is the job's.
Json ExplainJson(const v1::ExplainResponse& explanation, v1::JobState state);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_STATUS_JSON_H_
