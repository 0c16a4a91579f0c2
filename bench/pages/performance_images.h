// Charts of what benchmarks measured.
#ifndef EBB_BENCH_PAGES_PERFORMANCE_IMAGES_H_
#define EBB_BENCH_PAGES_PERFORMANCE_IMAGES_H_

#include <string>
#include <vector>

#include "bench/common/bench_figures.h"

namespace ebb::tools {

// A part of the page: a benchmark.
struct PageSection {
  std::string title;    // "Dense pushes and pulls over gRPC".
  std::string command;  // The command that measured it.
  std::string limit;    // The limit for comparison.
  BenchFigures figures;
};

struct PageImage {
  std::string file;   // "performance-push.svg".
  std::string title;  // Describes the image.
  std::string svg;    // The file's content.
};

// The charts for which there are figures.
std::vector<PageImage> PerformanceImages(
    const std::vector<PageSection>& sections);

}  // namespace ebb::tools

#endif  // EBB_BENCH_PAGES_PERFORMANCE_IMAGES_H_
