// The output of `ebb status` and `ebb explain`.
#ifndef EBB_TOOLS_EBB_STATUS_STATUS_TEXT_H_
#define EBB_TOOLS_EBB_STATUS_STATUS_TEXT_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"
#include "google/protobuf/repeated_field.h"
#include "tools/text/console.h"

namespace ebb::tools {

// Prints the daemons, the jobs, and what the owners of the jobs should know.
// It has only the newest of the jobs that are over, unless `all_jobs`.
std::string StatusText(const v1::GetStatusResponse& status,
                       const std::string& scheduler_address,
                       const Console& console, bool all_jobs = false);
// Without the daemons, and with epochs and the last few events of the jobs.
std::string JobsText(const v1::GetStatusResponse& status);

// `state` is the job's. It either advances, and what waits meanwhile is named,
// or it does not, and why is.
std::string ExplainText(const v1::ExplainResponse& explanation,
                        v1::JobState state, const Console& console);

using WaitReasons = google::protobuf::RepeatedPtrField<v1::WaitReason>;
// Returns whether a job in this state, to which something was applied just now
// or not, advances: some reasons hold others up, and some hold all up.
bool Advances(v1::JobState state, bool applied, const WaitReasons& reasons);

// "running", "parked_by_ssp": an enum's value in lower case, without the
// prefix.
std::string StateWord(v1::JobState state);
std::string StateWord(v1::WorkerStatus::State state);
std::string ReasonWord(v1::WaitReason::Kind kind);
std::string CauseWord(v1::PeerTrouble::Cause cause);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_STATUS_TEXT_H_
