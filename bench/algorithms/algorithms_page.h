// The page about algorithms: tables and charts of what
// `ebb bench algorithms` measured.
#ifndef EBB_BENCH_ALGORITHMS_ALGORITHMS_PAGE_H_
#define EBB_BENCH_ALGORITHMS_ALGORITHMS_PAGE_H_

#include <optional>
#include <string>
#include <vector>

#include "bench/algorithms/algorithm_figures.h"
#include "bench/pages/performance_images.h"

namespace ebb::tools {

// A job of the page.
struct PageJob {
  std::string data;        // Data of the figures: "fashion".
  std::string title;       // "Fashion-MNIST, a perceptron".
  double target_loss = 0;  // Training loss to which time is measured.
};

// An effect that the papers predict, and whether these runs show it.
struct KnownEffect {
  std::string name;
  std::string found;  // In figures; empty: these runs do not tell.
  bool seen = false;
};

struct AlgorithmsPageOptions {
  std::string command = "ebb bench algorithms";
  std::vector<PageJob> jobs;
  // So many have tables and charts of their own: the others only numbers.
  int compared_workers = 8;
  std::string how;    // The runs were made: a paragraph.
  std::string notes;  // A page by hand, to link to; empty: none.
  std::string images = "images/";
};

// The effects among the runs that are there.
std::vector<KnownEffect> KnownEffects(const std::vector<AlgorithmFigures>& all,
                                      const AlgorithmsPageOptions& options);
std::vector<PageImage> AlgorithmsImages(
    const std::vector<AlgorithmFigures>& all,
    const AlgorithmsPageOptions& options);
std::string AlgorithmsPage(const std::vector<AlgorithmFigures>& all,
                           const std::vector<PageImage>& images,
                           const AlgorithmsPageOptions& options);

// The runs side by side, for a terminal.
std::string AlgorithmsText(const std::vector<AlgorithmFigures>& all,
                           const AlgorithmsPageOptions& options);

}  // namespace ebb::tools

#endif  // EBB_BENCH_ALGORITHMS_ALGORITHMS_PAGE_H_
