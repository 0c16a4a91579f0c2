// What short samples of benchmarks say: figures, and no verdict.
#ifndef EBB_BENCH_QUICK_LOOK_H_
#define EBB_BENCH_QUICK_LOOK_H_

#include <string>
#include <vector>

#include "bench/performance_images.h"

namespace ebb::tools {

// A table for each benchmark that was measured. Each row stands beside what was
// recorded of it at full length; what was recorded and not measured is left
// out, and so is what would be required.
std::string QuickLook(const std::vector<PageSection>& sections,
                      const BenchRecord& record);

}  // namespace ebb::tools

#endif  // EBB_BENCH_QUICK_LOOK_H_
