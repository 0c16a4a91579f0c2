// Bugs planted on purpose, to prove that the tests find them.
//
// Each is a rule of docs/protocol.md that looks as if it could be weakened, or
// a plain mistake. Only sources compiled with EBB_PLANTED_BUGS have the hooks,
// for programs of the tests; everywhere else EBB_PLANTED(...) is the constant
// false and no trace of it remains:
//
//   if (push.end <= mark && !EBB_PLANTED(mark_not_checked)) ...
//
#ifndef EBB_COMMON_PLANT_H_
#define EBB_COMMON_PLANT_H_

#ifdef EBB_PLANTED_BUGS

#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb {

struct Plant {
  absl::string_view name;
  absl::string_view what;  // The weaker rule, in words.
};

// Every bug there is, in the order of their names.
std::span<const Plant> Plants();

// The one bug that is active in this process; empty: none.
absl::string_view PlantedBug();
// Plants a bug, or with an empty name none. Before anything runs, never while
// something does. NotFound for a name that is not one of Plants().
absl::Status PlantBug(absl::string_view name);

}  // namespace ebb

#define EBB_PLANTED(name) (::ebb::PlantedBug() == #name)

#else

#define EBB_PLANTED(name) false

#endif

#endif  // EBB_COMMON_PLANT_H_
