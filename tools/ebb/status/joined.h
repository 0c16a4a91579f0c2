// Which processes work for the scheduler that answered.
#ifndef EBB_TOOLS_EBB_STATUS_JOINED_H_
#define EBB_TOOLS_EBB_STATUS_JOINED_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// True if the process is the scheduler, a server or a worker of this status. A
// program of the user's works by a process that it started: its engine, which
// is a worker of the status. `parent_of` a process is 0 if it is not known.
bool HasJoined(const v1::GetStatusResponse& status, int64_t process,
               absl::FunctionRef<int64_t(int64_t)> parent_of);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_JOINED_H_
