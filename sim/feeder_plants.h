// The planted bugs of feeders: they run in no simulated cluster.
#ifndef EBB_SIM_FEEDER_PLANTS_H_
#define EBB_SIM_FEEDER_PLANTS_H_

#include <array>

#include "absl/strings/string_view.h"

namespace ebb::sim {

inline constexpr std::array<absl::string_view, 7> kFeederPlants = {
    "feeds_behind_the_end",
    "floor_not_read_after_a_put",
    "goes_on_behind_anothers_object",
    "lost_offsets_are_not_named",
    "object_has_its_own_ends_only",
    "unknown_append_is_put_anew",
    "unknown_put_is_done"};

}  // namespace ebb::sim

#endif  // EBB_SIM_FEEDER_PLANTS_H_
