// The work of `ebb sim`: runs seeds and prints the results.
#ifndef EBB_SIM_COMMAND_H_
#define EBB_SIM_COMMAND_H_

#include <cstdint>
#include <iosfwd>

#include "sim/subject.h"

namespace ebb::sim {

struct CommandOptions {
  // Seeds to run, first .. last.
  uint64_t first = 1;
  uint64_t last = 100;
  // Prints a line for each event; for a single seed.
  bool trace = false;
  // Fails also when a fault never happened or a probe was never reached: of
  // many seeds only.
  bool require_probes = false;
  Subject subject = Subject::kAny;
  // Threads; 0: one per core.
  int threads = 0;
  // Simulates one large run without faults instead of seeds, with this many
  // workers, servers and batches for each worker.
  bool scale = false;
  int scale_workers = 10'000;
  int scale_servers = 100;
  int scale_batches = 20;
  // Gets a line that is overwritten again and again during a large run; null:
  // no such line. Not owned.
  std::ostream* progress = nullptr;
};

// Damage in simulated stores is expected: this process logs only errors.
void LogOnlyErrors();

// For runs that walk through gigabytes of small objects: what malloc hands out
// from here on lies in huge pages, and is not given back.
void UseHugePages();

// Exit code: 0 when all is well, else 1.
int Main(const CommandOptions& options, std::ostream& out);

}  // namespace ebb::sim

#endif  // EBB_SIM_COMMAND_H_
