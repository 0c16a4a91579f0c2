// Checks that the daemons which a plan names can be there.
#ifndef EBB_TOOLS_CHAOS_CHECK_NAMES_H_
#define EBB_TOOLS_CHAOS_CHECK_NAMES_H_

#include <vector>

#include "absl/status/status.h"
#include "tools/chaos/events.h"

namespace ebb::chaos {

struct ClusterSize {
  int servers = 0;
  int workers = 0;
};

// Checks that every daemon that an event names is there at the start or is
// added by some event, and that there are never more than `most`. Else
// InvalidArgument.
absl::Status CheckNames(const std::vector<ChaosEvent>& events,
                        const ClusterSize& start, const ClusterSize& most);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_CHECK_NAMES_H_
