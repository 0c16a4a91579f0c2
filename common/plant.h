// Bugs planted on purpose, to prove that the simulator finds them.
//
// Each names a rule of docs/protocol.md that looks as if it could be weakened.
// Only the target built with EBB_PLANTED_BUGS has the hook; everywhere else
// EBB_PLANTED(...) is the constant false and no trace of it remains.
#ifndef EBB_COMMON_PLANT_H_
#define EBB_COMMON_PLANT_H_

#ifdef EBB_PLANTED_BUGS

#include "absl/strings/string_view.h"

namespace ebb {

// The one bug that is active in this process; empty: none. Set by the
// simulator before a run, never during one.
absl::string_view PlantedBug();
void PlantBug(absl::string_view name);

}  // namespace ebb

#define EBB_PLANTED(name) (::ebb::PlantedBug() == #name)

#else

#define EBB_PLANTED(name) false

#endif

#endif  // EBB_COMMON_PLANT_H_
