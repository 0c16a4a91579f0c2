// feed_planted: the feeders with a bug planted in them, to prove that the world
// of the tests finds it.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "sim/feeder_plants.h"
#include "sim/feeder_world.h"

namespace ebb::sim {
namespace {

constexpr uint64_t kMostSeeds = 4000;

// Returns whether a seed fails because of the bug, and only then.
bool Find(absl::string_view bug) {
  for (uint64_t seed = 1; seed <= kMostSeeds; ++seed) {
    if (!PlantBug(bug).ok()) return false;
    const WorldResult result = RunFeederWorld(seed);
    if (result.violation.empty()) continue;
    PlantBug("").IgnoreError();  // Cannot fail.
    if (!RunFeederWorld(seed).violation.empty()) {
      std::cout << "seed " << seed << " fails without a bug, too\n";
      return false;
    }
    std::cout << bug << ": seed " << seed << ": " << result.violation << "\n";
    return true;
  }
  std::cout << bug << ": NOT FOUND\n";
  return false;
}

}  // namespace
}  // namespace ebb::sim

int main() {
  return std::ranges::count_if(
             ebb::sim::kFeederPlants,
             [](absl::string_view bug) { return !ebb::sim::Find(bug); }) == 0
             ? 0
             : 1;
}
