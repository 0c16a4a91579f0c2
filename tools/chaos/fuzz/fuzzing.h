// Checks of both fuzz targets on accepted inputs.
#ifndef EBB_TOOLS_CHAOS_FUZZ_FUZZING_H_
#define EBB_TOOLS_CHAOS_FUZZ_FUZZING_H_

#include <cstddef>
#include <cstdlib>
#include <vector>

#include "absl/time/time.h"
#include "tools/chaos/plan.h"

namespace ebb::chaos {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

// Every event of a plan comes up once, and is undone at most once, in a cluster
// that has two of each role.
inline void RunToItsEnd(const std::vector<ChaosEvent>& events) {
  ChaosPlan plan(events, /*seed=*/1);
  size_t begun = 0;
  size_t undone = 0;
  while (!plan.done()) {
    const auto due =
        plan.Due(plan.NextDue(), /*progress=*/1,
                 {"scheduler", "ps-0", "ps-1", "worker-0", "worker-1"});
    Require(!due.empty());
    for (const Disturb& disturb : due) {
      ++(disturb.undoes ? undone : begun);
      Require(disturb.daemons.empty() != disturb.link.a.empty());
    }
  }
  Require(begun == events.size());
  Require(undone <= begun);
}

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_FUZZ_FUZZING_H_
