// Why a run is over although its job is not complete.
#ifndef EBB_TOOLS_EBB_STOPPED_JOB_H_
#define EBB_TOOLS_EBB_STOPPED_JOB_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// With a hint what to do. Empty: it goes on, or will once what is decided is
// done or the operator resumes it who paused it.
std::string WhyStopped(const v1::JobStatus& job);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STOPPED_JOB_H_
