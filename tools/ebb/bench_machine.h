// What a benchmark says about where it ran, and the median of its figures.
#ifndef EBB_TOOLS_EBB_BENCH_MACHINE_H_
#define EBB_TOOLS_EBB_BENCH_MACHINE_H_

#include <string>
#include <vector>

namespace ebb::tools {

// "PROCESSOR, 2 cores".
std::string Machine();
// "Release".
std::string BuildType();
// Of the sources of this build.
std::string Commit();

// Of at least one; the mean of the middle two where there are as many above as
// below.
double Median(std::vector<double> values);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_BENCH_MACHINE_H_
