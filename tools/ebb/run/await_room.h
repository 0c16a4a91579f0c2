// Files of a run that wait for room on a full disk, as training does.
#ifndef EBB_TOOLS_EBB_RUN_AWAIT_ROOM_H_
#define EBB_TOOLS_EBB_RUN_AWAIT_ROOM_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ebb::tools {

// Calls `write` again and again as long as it fails for want of room
// (ResourceExhausted), for FullDisk::kPatience by the pauses at most. `tell`
// hears the first such failure. `pause` waits that long, and returns false if
// there is no time to wait any more. Blocks. Returns the last result.
absl::Status AwaitRoom(absl::FunctionRef<absl::Status()> write,
                       absl::FunctionRef<void(const absl::Status&)> tell,
                       absl::FunctionRef<bool(absl::Duration)> pause);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_AWAIT_ROOM_H_
