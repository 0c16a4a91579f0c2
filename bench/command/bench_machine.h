// A benchmark's description of its machine.
#ifndef EBB_BENCH_COMMAND_BENCH_MACHINE_H_
#define EBB_BENCH_COMMAND_BENCH_MACHINE_H_

#include <string>

#include "tools/text/json.h"

namespace ebb::tools {

// "machine PROCESSOR, 2 cores; build Release; commit COMMIT", the sources of
// this build.
std::string WhereItRan();
// An object with these three, the kernel, its congestion control and the time.
Json WhereItRanJson();

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMAND_BENCH_MACHINE_H_
