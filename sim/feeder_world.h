// Several feeders of the production code over one store with faults, step by
// step, by a seed. Every request of a feeder may be lost, or its answer, or
// take effect late or twice; feeders sleep and die; a deleter puts floors and
// deletes; the source deletes messages; a feeder ends the set.
#ifndef EBB_SIM_FEEDER_WORLD_H_
#define EBB_SIM_FEEDER_WORLD_H_

#include <cstdint>
#include <string>

namespace ebb::sim {

// The events of a run, so that a test can demand that faults occurred.
struct WorldCounts {
  int64_t objects = 0;
  int64_t lost_races = 0;
  int64_t lost_answers = 0;
  int64_t late_puts = 0;
  int64_t void_puts = 0;
  int64_t floors = 0;
  int64_t lost_offsets = 0;
  int64_t deaths = 0;
  int64_t watchers = 0;
  int64_t ends = 0;
  int64_t unsure = 0;  // An appending feeder that could not tell.

  void Add(const WorldCounts& other);
};

struct WorldResult {
  std::string violation;  // Empty: all rules hold.
  WorldCounts counts;
};

// One run. The rules: numbers without gaps; each means one message for ever;
// each message is there once, in the order of its partition, or is named as
// lost; nothing follows the end.
WorldResult RunFeederWorld(uint64_t seed);

}  // namespace ebb::sim

#endif  // EBB_SIM_FEEDER_WORLD_H_
