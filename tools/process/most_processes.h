// How many processes of a cluster one machine is asked to carry.
#ifndef EBB_TOOLS_PROCESS_MOST_PROCESSES_H_
#define EBB_TOOLS_PROCESS_MOST_PROCESSES_H_

#include <algorithm>
#include <thread>

namespace ebb::tools {

inline constexpr int kMostServers = 64;
inline constexpr int kMostWorkers = 256;

// Returns how many workers a run that began with `started` workers starts when
// its job is scaled: 8 for each core of this machine and at least 16, or as
// many as the run began with.
inline int MostWorkersOfScale(int started) {
  constexpr int kPerCore = 8;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::min(kMostWorkers, std::max({16, kPerCore * cores, started}));
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_MOST_PROCESSES_H_
