// The charts of the section "Workers".
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_IMAGES_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_IMAGES_H_

#include <vector>

#include "bench/algorithms/algorithm_figures.h"
#include "bench/pages/performance_images.h"

namespace ebb::tools {

// The final metric by the number of workers: for each job one as it is, and one
// with other algorithms where they were run.
std::vector<PageImage> WorkersImages(const std::vector<AlgorithmFigures>& all);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_IMAGES_H_
