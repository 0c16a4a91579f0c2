// The figures of short samples of benchmarks, without a verdict.
#ifndef EBB_BENCH_PAGES_QUICK_LOOK_H_
#define EBB_BENCH_PAGES_QUICK_LOOK_H_

#include <string>
#include <vector>

#include "bench/pages/performance_images.h"

namespace ebb::tools {

// A table for each benchmark that was measured. Each row stands beside its
// record at full length. Records without a measurement are left out, and so are
// requirements.
std::string QuickLook(const std::vector<PageSection>& sections,
                      const BenchRecord& record);

}  // namespace ebb::tools

#endif  // EBB_BENCH_PAGES_QUICK_LOOK_H_
