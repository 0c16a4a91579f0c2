// What a benchmark says about where it ran, and the median of its figures.
#ifndef EBB_TOOLS_EBB_BENCH_MACHINE_H_
#define EBB_TOOLS_EBB_BENCH_MACHINE_H_

#include <string>
#include <vector>

#include "tools/ebb/json.h"

namespace ebb::tools {

// "machine PROCESSOR, 2 cores; build Release; commit COMMIT", the sources of
// this build.
std::string WhereItRan();
// An object with these three.
Json WhereItRanJson();

// Of at least one; the mean of the middle two where there are as many above as
// below.
double Median(std::vector<double> values);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_BENCH_MACHINE_H_
