// The flags that say how far a job goes back.
#ifndef EBB_TOOLS_EBB_ROLLBACK_ROLLBACK_FLAGS_H_
#define EBB_TOOLS_EBB_ROLLBACK_ROLLBACK_FLAGS_H_

#include <vector>

#include "CLI/CLI.hpp"
#include "tools/ebb/rollback/rollback_request.h"

namespace ebb::tools {

// --to, --versions-ago and --to-round, which fill `wish`. At most one of them
// is to be given: see TargetsOf.
std::vector<CLI::Option*> AddRollbackTargets(CLI::App* command,
                                             RollbackWish* wish);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ROLLBACK_ROLLBACK_FLAGS_H_
