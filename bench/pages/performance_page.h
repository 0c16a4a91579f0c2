// The page of the documentation with the figures of benchmarks, with charts.
#ifndef EBB_BENCH_PAGES_PERFORMANCE_PAGE_H_
#define EBB_BENCH_PAGES_PERFORMANCE_PAGE_H_

#include <string>
#include <vector>

#include "bench/pages/performance_images.h"

namespace ebb::tools {

struct PageOptions {
  std::string command = "ebb bench report";
  // A page beside this one, written by hand, about the rows that miss; empty:
  // there is none.
  std::string notes;
  std::string images = "images/";  // Their folder, seen from the page.
};

// Markdown.
std::string PerformancePage(const std::vector<PageSection>& sections,
                            const std::vector<PageImage>& images,
                            const PageOptions& options);

// Rows that must reach something, and how many do.
struct RowCount {
  int required = 0;
  int hold = 0;
  int benches_skipped = 0;
};
RowCount CountRows(const std::vector<PageSection>& sections);

}  // namespace ebb::tools

#endif  // EBB_BENCH_PAGES_PERFORMANCE_PAGE_H_
