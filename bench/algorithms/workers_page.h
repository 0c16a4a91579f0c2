// The section "Workers" of the page about algorithms.
#ifndef EBB_BENCH_ALGORITHMS_WORKERS_PAGE_H_
#define EBB_BENCH_ALGORITHMS_WORKERS_PAGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bench/algorithms/algorithm_figures.h"
#include "bench/pages/performance_images.h"

namespace ebb::tools {

struct WorkersSectionOptions {
  std::string command = "ebb bench algorithms --only workers";
  std::string how;  // How the runs were made: a paragraph.
  std::string images = "images/";
};

// Begins with the line kWorkersTitle.
std::string WorkersSection(const std::vector<AlgorithmFigures>& all,
                           const std::vector<PageImage>& images,
                           const WorkersSectionOptions& options);
// The requirements and the tables, for a terminal.
std::string WorkersText(const std::vector<AlgorithmFigures>& all);

inline constexpr char kWorkersTitle[] = "## Workers\n";
// A page has the section last. These are its two parts; either may be empty.
struct PageParts {
  std::string algorithms;
  std::string workers;
};
PageParts SplitPage(absl::string_view page);
std::string JoinPage(const PageParts& parts);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_WORKERS_PAGE_H_
