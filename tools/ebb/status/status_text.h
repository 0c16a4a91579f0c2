// The output of `ebb status` and `ebb explain`.
#ifndef EBB_TOOLS_EBB_STATUS_STATUS_TEXT_H_
#define EBB_TOOLS_EBB_STATUS_STATUS_TEXT_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

// Prints the daemons, the jobs, and what the owners of the jobs should know.
// It has only the newest of the jobs that are over, unless `all_jobs`.
std::string StatusText(const v1::GetStatusResponse& status,
                       const std::string& scheduler_address,
                       const Console& console, bool all_jobs = false);
// Without the daemons, and with epochs and the last few events of the jobs.
std::string JobsText(const v1::GetStatusResponse& status);
Json StatusJson(const v1::GetStatusResponse& status,
                const std::string& scheduler_address);

// `state` is the job's. It either advances, and what waits meanwhile is named,
// or it does not, and why is.
std::string ExplainText(const v1::ExplainResponse& explanation,
                        v1::JobState state, const Console& console);
Json ExplainJson(const v1::ExplainResponse& explanation, v1::JobState state);

// "running", "parked_by_ssp": an enum's value in lower case, without the
// prefix.
std::string StateWord(v1::JobState state);
std::string StateWord(v1::WorkerStatus::State state);
std::string ReasonWord(v1::WaitReason::Kind kind);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_STATUS_TEXT_H_
