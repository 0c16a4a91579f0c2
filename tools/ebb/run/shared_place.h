// Finds where the servers of a run share copies of their checkpoints, if not in
// the folder of the run.
#ifndef EBB_TOOLS_EBB_RUN_SHARED_PLACE_H_
#define EBB_TOOLS_EBB_RUN_SHARED_PLACE_H_

#include <string>

#include "absl/status/statusor.h"

namespace ebb::tools {

// Checks a folder or s3://BUCKET/PREFIX for a new run, and returns it as the
// servers get it: a folder from the root. Makes a missing folder in a folder
// that is there. AlreadyExists: another run or cluster has copies there.
// InvalidArgument: no such place can be. Other errors are those of the bucket
// or the folder. Blocks.
absl::StatusOr<std::string> TakeSharedPlace(const std::string& place);

// Does the same for a run that goes on with `stored`, its place; empty: the
// folder of the run. `place` may be empty. InvalidArgument: it is another one.
absl::StatusOr<std::string> KeepSharedPlace(const std::string& place,
                                            const std::string& stored);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_SHARED_PLACE_H_
